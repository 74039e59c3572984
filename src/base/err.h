/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of error codes. Functions that can fail return 0 or a useful count, or one of these (negative). */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,
	ERR_SYS = -1,      /* a system call failed; errno says why */
	ERR_NOMEM = -2,    /* no memory */
	ERR_AGAIN = -3,    /* nothing now, try when ready */
	ERR_EOF = -4,      /* the other end closed */
	ERR_SHORT = -5,    /* more bytes are needed */
	ERR_TOO_BIG = -6,  /* over a limit of ours */
	ERR_INVALID = -7,  /* malformed or out of range */
	ERR_PROTO = -8,    /* the peer broke the protocol */
	ERR_CRYPTO = -9,   /* OpenSSL refused or a tag was wrong */
	ERR_REFUSED = -10, /* refused by policy or by the other end */
	ERR_DENIED = -11,  /* the caller has no right to this */
	ERR_MISSING = -12, /* no such thing */
	ERR_EXISTS = -13,  /* there is one already */
	ERR_FULL = -14,    /* a pool or table has no room */
	ERR_TIMEOUT = -15, /* a deadline passed */
	ERR_CONFIG = -16,  /* bad configuration, already reported */
};

/**
 * err_text() - A code in words
 * @code: one of enum err
 *
 * Return: static text in lower case without a full stop; for ERR_SYS the text of the present errno.
 */
const char *err_text(int code);

#endif
