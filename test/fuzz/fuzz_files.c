/*
 * fuzz_files.c
 *		Runs a fuzz target over files, where there is no fuzzer: libFuzzer's driver
 *		as far as the tests need it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX	(1024 * 1024)

/* In memory without a byte to spare: reading on is seen by the sanitizer. */
static int
run_file(const char *path, FuzzTarget * target)
{
	static uint8_t data[INPUT_MAX];
	FILE	   *file = fopen(path, "rb");
	uint8_t    *exact;
	size_t		size;

	if (file == NULL)
	{
		perror(path);
		return 1;
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL)
		return 1;
	memcpy(exact, data, size);
	(void) target(exact, size);
	free(exact);
	return 0;
}

int
LLVMFuzzerRunDriver(int *argc, char ***argv, FuzzTarget * target)
{
	for (int i = 1; i < *argc; i++)
		if (run_file((*argv)[i], target) != 0)
			return 1;
	fprintf(stderr, "%d files\n", *argc - 1);
	return 0;
}
