/* SPDX-License-Identifier: Apache-2.0 */
/* TLS alerts in words, and which of them end a client's attempts. */
#include "crypto/tls.h"

/* RFC 8446, section 6 */
const char *tls_alert_text(int alert)
{
	switch (alert) {
	case 0:
		return "connection closed";
	case 10:
		return "unexpected message";
	case 20:
		return "bad record";
	case 22:
		return "record too long";
	case 40:
		return "no common parameters";
	case 42:
		return "certificate not acceptable";
	case 43:
		return "certificate not meant for this use";
	case 44:
		return "certificate revoked";
	case 45:
		return "certificate expired or not yet valid";
	case 46:
		return "certificate not acceptable for a reason not named";
	case 47:
		return "illegal parameter";
	case 48:
		return "certificate from an unknown issuer";
	case 49:
		return "access denied";
	case 50:
		return "message not understood";
	case 51:
		return "wrong signature or check value";
	case 70:
		return "protocol version not supported";
	case 71:
		return "security too low";
	case 80:
		return "internal error";
	case 86:
		return "inappropriate fallback";
	case 90:
		return "cancelled by user";
	case 109:
		return "missing extension";
	case 110:
		return "unsupported extension";
	case 112:
		return "unrecognized name";
	case 113:
		return "bad certificate status";
	case 115:
		return "unknown pre-shared key";
	case 116:
		return "certificate required";
	case 120:
		return "no common application protocol";
	default:
		return "unknown alert";
	}
}

bool tls_alert_final(int alert)
{
	return (alert >= 42 && alert <= 46) || alert == 48 || alert == 49 || alert == 116;
}
