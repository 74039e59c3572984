/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for TLS secrets in the memory of processes: memscan KEYLOG PID...
 *
 * KEYLOG has NSS key log lines; each new client random begins a generation, counted from 1. Lines of a datagram
 * handshake, CLIENT_RANDOM with its master secret and DTLS_* with its keys, belong to the generation before them.
 * Looked for are the secrets, the record keys and the datagrams' pre-shared key that follow from them, in pieces of 16
 * bytes, for what is half overwritten is still there. Every find is a line: process, generation, label, name of the
 * mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
	NEEDLES_MAX = 4096,
	PIECE = 16,
	LABEL_LEN = 40,
	RANDOM_LEN = 32,
	SECRET_MAX = 48,
	PSK_LEN = 32,
	CHUNK = 1 << 20,
};

struct needle {
	uint8_t piece[PIECE];
	unsigned generation;
	char label[LABEL_LEN + 8]; /* and what was derived */
};

struct mapping {
	uint64_t from, to;
	char name[128];
};

static struct needle needles[NEEDLES_MAX];
static size_t needles_len;
static bool begins[1 << 16]; /* the first two bytes of some needle */

static void die(const char *what)
{
	fprintf(stderr, "memscan: %s: %s\n", what, strerror(errno));
	exit(2);
}

static unsigned begin_of(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void add_needles(unsigned generation, const char *label, const char *what, const uint8_t *bytes, size_t len)
{
	for (; len >= PIECE && needles_len < NEEDLES_MAX; bytes += PIECE, len -= PIECE) {
		struct needle *n = &needles[needles_len++];

		memcpy(n->piece, bytes, PIECE);
		n->generation = generation;
		snprintf(n->label, sizeof(n->label), "%s%s", label, what);
		begins[begin_of(bytes)] = true;
	}
}

/* The suite's hash: as long as its secrets. */
static const EVP_MD *hash_of(size_t secret_len)
{
	return secret_len == 48 ? EVP_sha384() : EVP_sha256();
}

/* HKDF-Expand-Label(secret, label, context, len) of one block (RFC 8446, section 7.1) */
static void expand(const uint8_t *secret, size_t secret_len, const char *label, const uint8_t *context,
		   size_t context_len, uint8_t out[EVP_MAX_MD_SIZE], size_t len)
{
	uint8_t info[256];
	size_t n = (size_t)snprintf((char *)info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)len,
				    (int)(6 + strlen(label)), label, (int)context_len);

	memcpy(info + n, context, context_len);
	info[n + context_len] = 1;
	if (!HMAC(hash_of(secret_len), secret, (int)secret_len, info, n + context_len + 1, out, NULL))
		die("HMAC");
}

/* AES-256 with SHA-384, else AES-128 */
static void add_record_key(unsigned generation, const char *label, const uint8_t *secret, size_t len)
{
	uint8_t key[EVP_MAX_MD_SIZE];
	size_t key_len = len == 48 ? 32 : 16;

	expand(secret, len, "key", NULL, 0, key, key_len);
	add_needles(generation, label, "/key", key, key_len);
}

/* What the connection's exporter gives the datagrams (RFC 8446, section 7.5), without context */
static void add_psk(unsigned generation, const char *label, const uint8_t *secret, size_t len)
{
	uint8_t derived[EVP_MAX_MD_SIZE], psk[EVP_MAX_MD_SIZE], nothing[EVP_MAX_MD_SIZE];

	if (!EVP_Digest("", 0, nothing, NULL, hash_of(len), NULL))
		die("digest");
	expand(secret, len, "EXPORTER-openconnect-psk", nothing, len, derived, len);
	expand(derived, len, "exporter", nothing, len, psk, PSK_LEN);
	add_needles(generation, label, "/psk", psk, PSK_LEN);
}

static bool is_datagrams(const char *label)
{
	return !strcmp(label, "CLIENT_RANDOM") || !strncmp(label, "DTLS_", 5);
}

static size_t decode_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t len = 0;
	unsigned byte;

	while (len < cap && sscanf(hex + 2 * len, "%2x", &byte) == 1)
		out[len++] = (uint8_t)byte;
	return len;
}

static void read_keylog(const char *path)
{
	char label[LABEL_LEN], random[2 * RANDOM_LEN + 1], last[2 * RANDOM_LEN + 1] = "", hex[2 * SECRET_MAX + 1];
	FILE *file = fopen(path, "r");
	uint8_t secret[SECRET_MAX];
	unsigned generation = 0;
	size_t len;

	if (!file)
		die(path);
	while (fscanf(file, "%34s %64s %96s", label, random, hex) == 3) {
		if (!is_datagrams(label)) {
			generation += strcmp(random, last) != 0;
			memcpy(last, random, sizeof(last));
		}
		len = decode_hex(hex, secret, sizeof(secret));
		add_needles(generation, label, "", secret, len);
		if (strstr(label, "TRAFFIC_SECRET"))
			add_record_key(generation, label, secret, len);
		if (!strcmp(label, "EXPORTER_SECRET"))
			add_psk(generation, label, secret, len);
	}
	fclose(file);
}

static void report(const char *pid, const struct mapping *m, const uint8_t *at)
{
	for (size_t i = 0; i < needles_len; i++)
		if (!memcmp(needles[i].piece, at, PIECE))
			printf("%s %u %s %s\n", pid, needles[i].generation, needles[i].label, m->name);
}

static void scan_bytes(const char *pid, const struct mapping *m, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i + PIECE <= len; i++)
		if (begins[begin_of(bytes + i)])
			report(pid, m, bytes + i);
}

/* Chunks overlap, so that nothing hides on a border. A page that cannot be read (a guard, a device) is passed over. */
static uint64_t scan_mapping(const char *pid, const struct mapping *m, int fd)
{
	static uint8_t bytes[CHUNK];
	uint64_t at = m->from, page = (uint64_t)sysconf(_SC_PAGESIZE), scanned = 0;

	while (at < m->to) {
		size_t want = m->to - at < CHUNK ? m->to - at : CHUNK;
		ssize_t len = pread(fd, bytes, want, (off_t)at);

		if (len <= 0) {
			at += page;
			continue;
		}
		scan_bytes(pid, m, bytes, (size_t)len);
		scanned += (uint64_t)len;
		at += (size_t)len < PIECE || at + (uint64_t)len == m->to ? (uint64_t)len : (uint64_t)len - (PIECE - 1);
	}
	return scanned;
}

static bool read_mapping(FILE *maps, struct mapping *m)
{
	unsigned long from, to;
	char line[512], mode[5];

	while (fgets(line, sizeof(line), maps)) {
		strcpy(m->name, "anonymous");
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %127s", &from, &to, mode, m->name) < 3 || mode[1] != 'w')
			continue;
		m->from = from;
		m->to = to;
		return true;
	}
	return false;
}

static void scan_process(const char *pid)
{
	uint64_t scanned = 0;
	struct mapping m;
	char path[64];
	FILE *maps;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	if (!(maps = fopen(path, "r")))
		die(path);
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		die(path);
	while (read_mapping(maps, &m))
		scanned += scan_mapping(pid, &m, fd);
	close(fd);
	fclose(maps);
	if (!scanned)
		die(path);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: memscan KEYLOG PID...\n");
		return 64;
	}
	read_keylog(argv[1]);
	for (int i = 2; i < argc; i++)
		scan_process(argv[i]);
	return 0;
}
