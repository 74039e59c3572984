/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's heap, made to forget. */
#ifndef CRYPTO_MEMORY_H
#define CRYPTO_MEMORY_H

/**
 * crypto_memory_init() - Make every OpenSSL free and realloc wipe what it gives back
 *
 * Must be the first OpenSSL call of the process: without it raw traffic secrets stay in the heap after SSL_free().
 * Also loads nothing from openssl.cnf (OPENSSL_INIT_NO_LOAD_CONFIG), so a system file cannot weaken us.
 *
 * Return: 0, or ERR_CRYPTO when OpenSSL has allocated already.
 */
int crypto_memory_init(void);

#endif
