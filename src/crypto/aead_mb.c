/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AEAD by Intel's multi-buffer library, used one buffer at a time: a record is one call, and the powers of the hash key
 * are laid out with the key, which is what short records gain by. The library is loaded when it is there.
 */
#include "crypto/aead_int.h"

#if defined(__x86_64__) && __has_include(<intel-ipsec-mb.h>)

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include <openssl/crypto.h>

#define LIBRARY "libIPSec_MB.so.1"

struct mb_key {
	struct aead_key base;
	union {
		struct gcm_key_data gcm; /* aligned to a cache line, and so is the whole */
		uint8_t chacha[AEAD_KEY_MAX];
	} key;
	union { /* of the record under way */
		struct gcm_context_data gcm;
		struct chacha20_poly1305_context_data chacha;
	} state;
};

/* The functions of one cipher, in a row. */
struct gcm {
	aes_gcm_pre_t expand;
	aes_gcm_enc_dec_t seal, open;
	aes_gcm_init_t begin;
	aes_gcm_enc_dec_update_t seal_more;
	aes_gcm_enc_dec_finalize_t finish;
};

static IMB_MGR *mgr;
static struct gcm gcm[AEAD_CIPHERS];

static struct mb_key *mb(struct aead_key *k)
{
	return (struct mb_key *)k;
}

static struct aead_key *key_new(enum aead_cipher cipher, const uint8_t *key);

static void key_free(struct aead_key *k)
{
	explicit_bzero(k, sizeof(struct mb_key));
	free(k);
}

static void seal_gcm(struct mb_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
		     const struct aead_text *text, uint8_t *out)
{
	const struct gcm *f = &gcm[k->base.cipher];

	if (!text->end) {
		f->seal(&k->key.gcm, &k->state.gcm, out, text->bytes, text->len, nonce, aad, aad_len, out + text->len,
			AEAD_TAG_LEN);
		return;
	}
	f->begin(&k->key.gcm, &k->state.gcm, nonce, aad, aad_len);
	f->seal_more(&k->key.gcm, &k->state.gcm, out, text->bytes, text->len);
	f->seal_more(&k->key.gcm, &k->state.gcm, out + text->len, text->end, 1);
	f->finish(&k->key.gcm, &k->state.gcm, out + text->len + 1, AEAD_TAG_LEN);
}

static void seal_chacha(struct mb_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
			const struct aead_text *text, uint8_t *out)
{
	struct chacha20_poly1305_context_data *s = &k->state.chacha;

	IMB_CHACHA20_POLY1305_INIT(mgr, k->key.chacha, s, nonce, aad, aad_len);
	IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr, k->key.chacha, s, out, text->bytes, text->len);
	out += text->len;
	if (text->end)
		IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr, k->key.chacha, s, out++, text->end, 1);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, s, out, AEAD_TAG_LEN);
}

static void seal(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
		 const struct aead_text *text, uint8_t *out)
{
	if (k->cipher == AEAD_CHACHA20_POLY1305)
		seal_chacha(mb(k), nonce, aad, aad_len, text, out);
	else
		seal_gcm(mb(k), nonce, aad, aad_len, text, out);
}

static void open_chacha(struct mb_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len, const uint8_t *in,
			size_t len, uint8_t *out, uint8_t *tag)
{
	struct chacha20_poly1305_context_data *s = &k->state.chacha;

	IMB_CHACHA20_POLY1305_INIT(mgr, k->key.chacha, s, nonce, aad, aad_len);
	IMB_CHACHA20_POLY1305_DEC_UPDATE(mgr, k->key.chacha, s, out, in, len);
	IMB_CHACHA20_POLY1305_DEC_FINALIZE(mgr, s, tag, AEAD_TAG_LEN);
}

/* The library computes the tag and compares nothing. */
static bool open_sealed(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len, const uint8_t *in,
			size_t len, uint8_t *out)
{
	uint8_t tag[AEAD_TAG_LEN] = { 0 };

	if (k->cipher == AEAD_CHACHA20_POLY1305)
		open_chacha(mb(k), nonce, aad, aad_len, in, len, out, tag);
	else
		gcm[k->cipher].open(&mb(k)->key.gcm, &mb(k)->state.gcm, out, in, len, nonce, aad, aad_len, tag,
				    AEAD_TAG_LEN);
	return CRYPTO_memcmp(tag, in + len, AEAD_TAG_LEN) == 0;
}

static const struct aead_backend ipsec_mb = { "ipsec-mb", key_new, key_free, seal, open_sealed };

static struct aead_key *key_new(enum aead_cipher cipher, const uint8_t *key)
{
	struct mb_key *k = aligned_alloc(_Alignof(struct mb_key), sizeof(*k));

	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->base = (struct aead_key){ &ipsec_mb, cipher };
	if (cipher == AEAD_CHACHA20_POLY1305)
		memcpy(k->key.chacha, key, aead_key_len(cipher));
	else
		gcm[cipher].expand(key, &k->key.gcm);
	return &k->base;
}

static void take_functions(void)
{
	gcm[AEAD_AES_128_GCM] = (struct gcm){ mgr->gcm128_pre,  mgr->gcm128_enc,        mgr->gcm128_dec,
					      mgr->gcm128_init, mgr->gcm128_enc_update, mgr->gcm128_enc_finalize };
	gcm[AEAD_AES_256_GCM] = (struct gcm){ mgr->gcm256_pre,  mgr->gcm256_enc,        mgr->gcm256_dec,
					      mgr->gcm256_init, mgr->gcm256_enc_update, mgr->gcm256_enc_finalize };
}

/* POSIX has dlsym() give functions as pointers to data. */
static bool find(void *library, const char *name, void *function)
{
	void *at = dlsym(library, name);

	memcpy(function, &at, sizeof(at));
	return at;
}

static const char *load(void *library)
{
	const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
	unsigned (*get_version)(void);
	IMB_MGR *(*alloc)(uint64_t flags);
	void (*init)(IMB_MGR * state, IMB_ARCH * arch);

	if (!library)
		return LIBRARY " is not installed";
	if (!find(library, "imb_get_version", &get_version) || !find(library, "alloc_mb_mgr", &alloc) ||
	    !find(library, "init_mb_mgr_auto", &init) || get_version() < IMB_VERSION_NUM)
		return LIBRARY " is too old";
	if (!(mgr = alloc(0)))
		return "no memory";
	if ((mgr->features & needed) != needed)
		return "the processor lacks AES or carry-less multiplication";
	init(mgr, NULL);
	take_functions();
	return NULL;
}

const struct aead_backend *aead_mb_load(const char **why)
{
	static const char *fault = "";

	if (fault && !*fault)
		fault = load(dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL));
	*why = fault;
	return fault ? NULL : &ipsec_mb;
}

#else

const struct aead_backend *aead_mb_load(const char **why)
{
	*why = "it was not there when adit was built";
	return NULL;
}

#endif
