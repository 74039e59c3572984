/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as lower-case hexadecimal text. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/** hex_encode() - Write 2 x @len digits and a NUL to @out, which holds 2 x @len + 1 bytes */
void hex_encode(const uint8_t *data, size_t len, char *out);

/**
 * hex_decode() - Read exactly @text_len digits of either case
 * @text: digits
 * @text_len: how many, even
 * @out:  text_len / 2 bytes
 *
 * Return: bytes written, or ERR_INVALID (odd length, other character).
 */
int hex_decode(const char *text, size_t text_len, uint8_t *out);

#endif
