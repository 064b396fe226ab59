/* fuzz.h - one fuzz target, two lives: with --enable-fuzzer libFuzzer drives
 * it; without, it is a plain program that runs every file of its corpus folder
 * (t/fuzz/corpus/NAME) and every prefix of each, so `make check` replays what
 * fuzzing found. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
