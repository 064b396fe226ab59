# What scripts/bench node runs.
use strict;
use warnings;

use Bench::Counts;
use Bench::Cpu;
use Bench::Main qw(bench);
use Bench::Memory;
use Bench::Report qw(note);
use Bench::Server;
use Bench::Times;

bench([cpu          => \&Bench::Cpu::cpu],
      [threads      => \&Bench::Cpu::threads],
      [memory       => \&Bench::Memory::fit],
      [stalls       => \&Bench::Times::stalls],
      [times        => \&Bench::Times::times],
      [hits         => \&Bench::Memory::hits],
      [instructions => \&Bench::Counts::instructions],
      [calls        => \&Bench::Counts::calls],
      sub {
          my ($quick, $reps) = @_;
          note('memcached is not installed: nothing stands beside mfcached')
              if !Bench::Server::available('memcached');
          return (
              slow_reps => $quick ? 1 : ($reps + 2) / 3,
              time_ms => $quick ? 100 : 400,
              warm_ms => $quick ? 30 : 200,
              keys => $quick ? { 100 => 50_000, 1024 => 20_000 } : { 100 => 1_000_000, 1024 => 200_000 },
              fit_mb => $quick ? 32 : 256,
              stall_items => $quick ? 200_000 : 2_000_000,
              warm_items => $quick ? 50_000 : 1_000_000,
              trace_mb => $quick ? [24] : [24, 32],
          );
      });
