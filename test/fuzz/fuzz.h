/*
 * fuzz.h
 *		What the fuzz targets share.
 *
 * Built with -fsanitize=fuzzer each target is a fuzzer; otherwise fuzz_files.c
 * runs it over the files that it is given.
 */
#ifndef HUBSPOT_FUZZ_H
#define HUBSPOT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef int FuzzTarget(const uint8_t *data, size_t size);

/* libFuzzer's, or the one of fuzz_files.c. */
extern int	LLVMFuzzerRunDriver(int *argc, char ***argv, FuzzTarget * target);

/* The target of a program that needs no server. */
extern FuzzTarget LLVMFuzzerTestOneInput;

/* A broken promise ends the program, so that the fuzzer keeps the input. */
extern void broken(const char *promise) __attribute__((noreturn));

static inline void
expect(int good, const char *promise)
{
	if (!good)
		broken(promise);
}

/* Ended within its buffer, valid UTF-8, no control characters. */
extern void expect_clean(const char *text, size_t size);

#endif							/* HUBSPOT_FUZZ_H */
