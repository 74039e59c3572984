/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a configuration is read from: where each setting stands, which paths it means, what is wrong with it.
 *
 * libconfig 1.5 reads the text, but it cuts numbers to 32 bits without a word and ends the process when an included
 * file is a directory; and it leaves copies of the text in freed memory. source_open() therefore looks through the text
 * first, for included files and for numbers that do not fit, and takes private keys out, so that libconfig never sees
 * them.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include <libconfig.h>
#include <limits.h>
#include <stddef.h>

enum { SOURCE_WHERE_LEN = PATH_MAX + 128 };

struct source_number; /* a number that libconfig would cut */
struct source_secret; /* a string with a private key */

struct source {
	const char *path; /* the main file as the user named it */
	char *text;       /* its content, private keys masked */
	char *dir;        /* its directory, absolute: what @include is relative to */
	config_t config;  /* parsed */
	struct source_number *numbers;
	size_t numbers_len;
	struct source_secret *secrets;
	size_t secrets_len;
	unsigned errors; /* reported so far */
};

/**
 * source_open() - Read and parse a file with all that it includes
 * @s:    initialised whatever the result; end with source_fini()
 * @path: borrowed
 *
 * Return: 0, or ERR_CONFIG (reported).
 */
int source_open(struct source *s, const char *path);

/**
 * source_report() - Print one fault on stderr and count it
 * @s:       source
 * @setting: where it is: a setting, or a group for what is missing in it
 * @key:     full name of the key
 * @fmt:     what was found and what is allowed
 */
void source_report(struct source *s, const config_setting_t *setting, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** source_where() - Write "FILE:LINE: KEY" of a setting to @out. Return: @out */
const char *source_where(const struct source *s, const config_setting_t *setting, const char *key,
			 char out[SOURCE_WHERE_LEN]);

/** source_number() - The digits of an integer as written when they do not fit in 32 bits, otherwise NULL */
const char *source_number(const struct source *s, const config_setting_t *setting);

/** source_string() - The text of a string, a private key too; NULL when it is none. Lives as long as @s */
const char *source_string(const struct source *s, const config_setting_t *setting);

/** source_file() - Write the path of the file that @setting stands in to @out. Return: @out */
const char *source_file(const struct source *s, const config_setting_t *setting, char out[PATH_MAX]);

/**
 * source_resolve() - The absolute path that a value means: relative ones are so to the file they stand in
 * @s:       source
 * @setting: where the value stands
 * @value:   path as given
 * @out:     the path, cut to PATH_MAX - 1 bytes
 *
 * Return: @out.
 */
const char *source_resolve(const struct source *s, const config_setting_t *setting, const char *value,
			   char out[PATH_MAX]);

/** source_fini() - Wipe private keys and free */
void source_fini(struct source *s);

#endif
