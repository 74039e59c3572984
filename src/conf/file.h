/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files as text. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include <sys/types.h>

enum { FILE_MAX_LEN = 16 * 1024 * 1024 }; /* a revocation list of a large authority has a few MiB */

/**
 * file_read() - Read a regular file
 * @path: the file
 * @text: its bytes, NUL-terminated; free with file_wipe()
 * @mode: its permission bits; may be NULL
 *
 * Return: 0; ERR_SYS; ERR_INVALID (not a regular file, or a NUL byte in it); ERR_TOO_BIG; ERR_NOMEM.
 */
int file_read(const char *path, char **text, mode_t *mode);

/** file_why() - The result of file_read() in words; for ERR_SYS the text of the present errno */
const char *file_why(int result);

/** file_wipe() - Wipe and free a text; accepts NULL */
void file_wipe(char *text);

#endif
