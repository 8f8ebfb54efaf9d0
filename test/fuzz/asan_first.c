/*
 * asan_first.c
 *		Has the sanitizer of addresses ready before all other libraries begin.
 *
 * It looks for a symbol when it begins, which takes locks of the C library.  A
 * library whose constructor allocates while it holds one of them (p11-kit's
 * does) would otherwise be where it begins, and the process hangs.
 */
extern void __asan_init(void);

__attribute__((constructor)) static void
begin(void)
{
	__asan_init();
}
