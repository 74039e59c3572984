/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's heap, made to forget. */
#include "crypto/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "base/err.h"

static void *plain_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return len ? malloc(len) : NULL;
}

static void wiping_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc() may leave the bytes behind where they were: move by hand. */
static void *wiping_realloc(void *p, size_t len, const char *file, int line)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *moved;

	if (!len) {
		wiping_free(p, file, line);
		return NULL;
	}
	moved = malloc(len);
	if (!moved)
		return NULL;
	if (p)
		memcpy(moved, p, had < len ? had : len);
	wiping_free(p, file, line);
	return moved;
}

int crypto_memory_init(void)
{
	if (!CRYPTO_set_mem_functions(plain_malloc, wiping_realloc, wiping_free))
		return ERR_CRYPTO;
	return OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) ? 0 : ERR_CRYPTO;
}
