/* SPDX-License-Identifier: Apache-2.0 */
/* One request on the control socket: {"command": "disconnect", "name": "berlin"}. Pure bytes. */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "crypto/tls.h"

enum request_command {
	REQUEST_STATUS,
	REQUEST_SESSIONS,
	REQUEST_EVENTS,
	REQUEST_DISCONNECT,
	REQUEST_REKEY,
	REQUEST_COMMANDS
};

struct request {
	enum request_command command;
	bool changes;            /* the command changes state: who asks must have the right to */
	char name[TLS_NAME_LEN]; /* "" when none was given */
};

/**
 * request_decode() - Read a request
 * @line: JSON, without newline
 * @len:  bytes at @line
 * @out:  filled
 * @why:  on failure, static text
 *
 * Keys that are not known are refused, so that a misspelt name never means "all".
 *
 * Return: 0, or ERR_INVALID with @out untouched.
 */
int request_decode(const char *line, size_t len, struct request *out, const char **why);

#endif
