/* SPDX-License-Identifier: Apache-2.0 */
/* Who a certificate speaks for. */
#include "crypto/identity_int.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/err.h"
#include "base/hex.h"

static bool name_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._@-", c));
}

static int copy_name(const ASN1_STRING *from, char name[TLS_NAME_LEN], const char **why)
{
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, from);
	int r = ERR_REFUSED;

	*why = "the name in the certificate is empty or longer than 64 characters";
	if (len < 1 || len >= TLS_NAME_LEN)
		goto out;
	*why = "the name in the certificate has a character other than A-Z a-z 0-9 . _ @ -";
	for (int i = 0; i < len; i++)
		if (!name_char(text[i]))
			goto out;
	memcpy(name, text, (size_t)len);
	name[len] = '\0';
	r = 0;
out:
	OPENSSL_free(text);
	return r;
}

static int name_from_cn(const X509 *cert, char name[TLS_NAME_LEN], const char **why)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0) {
		*why = "the certificate has no common name";
		return ERR_REFUSED;
	}
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
		*why = "the certificate has more than one common name";
		return ERR_REFUSED;
	}
	return copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name, why);
}

static int name_from_san(const X509 *cert, int kind, char name[TLS_NAME_LEN], const char **why)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *only = NULL;
	int found = 0, r = ERR_REFUSED;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *general = sk_GENERAL_NAME_value(names, i);

		if (general->type != kind)
			continue;
		only = kind == GEN_DNS ? general->d.dNSName : general->d.rfc822Name;
		found++;
	}
	if (found == 1)
		r = copy_name(only, name, why);
	else
		*why = found ? "the certificate has more than one alternative name of the kind that identifies"
			     : "the certificate has no alternative name of the kind that identifies";
	GENERAL_NAMES_free(names);
	return r;
}

int identity_name(X509 *cert, enum tls_identity from, char name[TLS_NAME_LEN], const char **why)
{
	switch (from) {
	case TLS_IDENTITY_SAN_DNS:
		return name_from_san(cert, GEN_DNS, name, why);
	case TLS_IDENTITY_SAN_EMAIL:
		return name_from_san(cert, GEN_EMAIL, name, why);
	default:
		return name_from_cn(cert, name, why);
	}
}

void identity_subject(const X509 *cert, char subject[TLS_TEXT_LEN])
{
	BIO *text = BIO_new(BIO_s_mem());
	int len = 0;

	if (text && X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
		len = BIO_read(text, subject, TLS_TEXT_LEN - 1);
	subject[len > 0 ? len : 0] = '\0';
	BIO_free(text);
}

void identity_root(const X509 *cert, char root[TLS_ROOT_LEN])
{
	uint8_t hash[EVP_MAX_MD_SIZE];

	root[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), hash, NULL))
		hex_encode(hash, (TLS_ROOT_LEN - 1) / 2, root);
}

int64_t identity_not_after(const X509 *cert)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) ? timegm(&tm) : 0;
}
