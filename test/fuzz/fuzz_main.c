/*
 * fuzz_main.c
 *		The program of a fuzz target that needs no server, where there is no fuzzer.
 */
#include "fuzz.h"

int
main(int argc, char **argv)
{
	return LLVMFuzzerRunDriver(&argc, &argv, LLVMFuzzerTestOneInput);
}
