/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes in words. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const texts[] = {
	[-ERR_OK] = "ok",
	[-ERR_SYS] = "system error",
	[-ERR_NOMEM] = "out of memory",
	[-ERR_AGAIN] = "not ready",
	[-ERR_EOF] = "closed by the other end",
	[-ERR_SHORT] = "incomplete",
	[-ERR_TOO_BIG] = "too big",
	[-ERR_INVALID] = "malformed",
	[-ERR_PROTO] = "protocol error",
	[-ERR_CRYPTO] = "cryptographic failure",
	[-ERR_REFUSED] = "refused",
	[-ERR_DENIED] = "permission denied",
	[-ERR_MISSING] = "not found",
	[-ERR_EXISTS] = "exists already",
	[-ERR_FULL] = "no room left",
	[-ERR_TIMEOUT] = "timed out",
	[-ERR_CONFIG] = "bad configuration",
};
static_assert(sizeof(texts) / sizeof(texts[0]) == -ERR_CONFIG + 1, "a text for every code");

const char *err_text(int code)
{
	if (code == ERR_SYS)
		return strerror(errno);
	if (code > 0 || code < ERR_CONFIG)
		return "unknown error";
	return texts[-code];
}
