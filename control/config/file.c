/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/file.h"
#include "control/config/huge.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <switchback/err.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP 65536 /* bytes that are read without asking whether to go on */

/* size: what it seems to be long. */
static int read_all(int fd, size_t size, struct sb_mistakes *load, char **text, size_t *len)
{
	size_t room = size + 2 > STEP ? size + 2 : STEP, n = 0; /* with the NUL, and a byte that is not there */
	ssize_t got;
	*text = sb_huge_alloc(room);
	if (!*text)
		return SB_E_NOMEM;
	do {
		if (load && sb_mistakes_stopped(load))
			return SB_E_STOPPED;
		if (n + 1 >= room) {
			room *= 2;
			char *more = realloc(*text, room);
			if (!more)
				return SB_E_NOMEM;
			*text = more;
		}
		got = read(fd, *text + n, room - n - 1 < STEP ? room - n - 1 : STEP);
		n += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && n <= SB_FILE_BYTES_MAX) || (got < 0 && errno == EINTR));
	if (n > SB_FILE_BYTES_MAX)
		errno = EFBIG;
	(*text)[n] = 0;
	*len = n;
	return got < 0 || n > SB_FILE_BYTES_MAX ? SB_E_IO : 0;
}

static bool may_be_read(int fd, bool pipe_too, size_t *size)
{
	struct stat st;
	if (fstat(fd, &st))
		return false;
	*size = (uint64_t)st.st_size < SB_FILE_BYTES_MAX ? (size_t)st.st_size : SB_FILE_BYTES_MAX;
	return S_ISREG(st.st_mode) || (pipe_too && S_ISFIFO(st.st_mode) && fcntl(fd, F_SETFL, 0) == 0);
}

int sb_file_read(const char *file, bool pipe_too, struct sb_mistakes *load, char **text, size_t *len)
{
	*text = NULL;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* that of a pipe would wait for a writer */
	if (fd < 0)
		return errno == ENOMEM ? SB_E_NOMEM : SB_E_IO;
	size_t size;
	int rc = may_be_read(fd, pipe_too, &size) ? read_all(fd, size, load, text, len) : SB_E_INVAL;
	int saved = errno;
	close(fd);
	if (rc) {
		free(*text);
		*text = NULL;
	}
	errno = saved;
	return rc;
}
