# What scripts/bench proxy runs.
use strict;
use warnings;

use Bench::Main qw(bench);
use Bench::Proxy;
use Bench::Report qw(note);
use Bench::Server;

bench([cpu          => \&Bench::Proxy::cpu],
      [threads      => \&Bench::Proxy::threads],
      [hot          => \&Bench::Proxy::hot],
      [instructions => \&Bench::Proxy::instructions],
      sub {
          my ($quick) = @_;
          note('nutcracker is not installed: nothing stands beside mfproxy')
              if !Bench::Server::available('nutcracker');
          return (time_ms => $quick ? 100 : 400, warm_ms => $quick ? 30 : 200,
                  keys => $quick ? 10_000 : 100_000);
      });
