/* SPDX-License-Identifier: BSD-3-Clause */
/* listen.c - the socket file: ours alone, mode 0660 before anybody can connect. */
#include "control/manage/server.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* 0: nobody listens there and nothing is left there. A file of a killed daemon is removed. */
static int make_way(const struct sockaddr_un *at, char why[SB_MANAGE_WHY_MAX])
{
	struct stat st;
	if (lstat(at->sun_path, &st))
		return 0; /* bind() will say what else is wrong */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, SB_MANAGE_WHY_MAX, "%s: is there already and is no socket", at->sun_path);
		return SB_E_EXIST;
	}
	int fd = unix_socket();
	if (fd < 0)
		return SB_E_IO;
	/* Only a refusal says that it is stale; EAGAIN is a daemon with a full backlog. */
	bool stale = connect(fd, (const struct sockaddr *)at, sizeof *at) && errno == ECONNREFUSED;
	close(fd);
	if (!stale) {
		snprintf(why, SB_MANAGE_WHY_MAX, "%s: another daemon answers there", at->sun_path);
		return SB_E_EXIST;
	}
	if (unlink(at->sun_path) && errno != ENOENT) {
		snprintf(why, SB_MANAGE_WHY_MAX, "%s: stale, and not to be removed: %s", at->sun_path, strerror(errno));
		return SB_E_IO;
	}
	return 0;
}

int sb_listen_open(const char *path, char why[SB_MANAGE_WHY_MAX])
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof at.sun_path) {
		snprintf(why, SB_MANAGE_WHY_MAX, "socket path is longer than %zu bytes", sizeof at.sun_path - 1);
		return SB_E_INVAL;
	}
	strcpy(at.sun_path, path);
	int err = make_way(&at, why);
	if (err)
		return err;
	int fd = unix_socket();
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0) {
		if (chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
		err = errno;
		unlink(path);
		errno = err;
	}
	snprintf(why, SB_MANAGE_WHY_MAX, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return SB_E_IO;
}
