/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files as text. */
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

static int read_all(int fd, char *text, size_t len)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = read(fd, text + have, len - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYS;
		if (!n)
			break;
		have += (size_t)n;
	}
	text[have] = '\0';
	return memchr(text, '\0', have) ? ERR_INVALID : 0;
}

static int read_open(int fd, char **text, mode_t *mode)
{
	struct stat st;
	char *into;
	int r;

	if (fstat(fd, &st) < 0)
		return ERR_SYS;
	if (!S_ISREG(st.st_mode))
		return ERR_INVALID;
	if (st.st_size > FILE_MAX_LEN)
		return ERR_TOO_BIG;
	into = malloc((size_t)st.st_size + 1);
	if (!into)
		return ERR_NOMEM;
	if ((r = read_all(fd, into, (size_t)st.st_size)) < 0) {
		file_wipe(into);
		return r;
	}
	*text = into;
	if (mode)
		*mode = st.st_mode & 07777;
	return 0;
}

int file_read(const char *path, char **text, mode_t *mode)
{
	/* Not to wait for a writer when the path is a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r, saved;

	if (fd < 0)
		return ERR_SYS;
	r = read_open(fd, text, mode);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

const char *file_why(int result)
{
	return result == ERR_INVALID ? "not a regular file of text" : err_text(result);
}

void file_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}
