/* SPDX-License-Identifier: Apache-2.0 */
/* Why an attempt to open a stream failed, and what a client makes of it. */
#include "client/failure.h"

#include <stdarg.h>
#include <stdio.h>

/* RFC 8446, section 6 */
enum { ALERT_REVOKED = 44, ALERT_UNKNOWN_CA = 48 };

static enum failure_verdict final_if(bool final)
{
	return final ? FAILURE_FINAL : FAILURE_RETRY;
}

static enum failure_verdict judge_alert(int alert, bool succeeded)
{
	if (succeeded)
		return final_if(alert == ALERT_REVOKED || alert == ALERT_UNKNOWN_CA);
	return final_if(tls_alert_final(alert));
}

static enum failure_verdict judge_status(const struct failure *f, bool succeeded)
{
	if (f->number == 401)
		return f->fresh ? FAILURE_FINAL : FAILURE_LOGIN;
	return final_if(f->number == 403 && !succeeded);
}

void failure_set(struct failure *f, enum failure_kind kind, int number, const char *fmt, ...)
{
	va_list args;

	*f = (struct failure){ .kind = kind, .number = number };
	va_start(args, fmt);
	vsnprintf(f->reason, sizeof(f->reason), fmt, args);
	va_end(args);
}

void failure_from_tls(struct failure *f, const struct tls_failure *tls)
{
	bool ours = tls->certificate && !tls->received;

	failure_set(f, ours ? FAILURE_CERTIFICATE : FAILURE_UNREACHABLE, 0, "%s", tls->reason);
}

enum failure_verdict failure_judge(const struct failure *f, bool succeeded)
{
	switch (f->kind) {
	case FAILURE_UNREACHABLE:
		return FAILURE_RETRY;
	case FAILURE_STATUS:
		return judge_status(f, succeeded);
	case FAILURE_ALERT:
		return judge_alert(f->number, succeeded);
	case FAILURE_CERTIFICATE:
		return final_if(!succeeded);
	}
	return FAILURE_RETRY;
}
