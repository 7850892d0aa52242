/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/underlay.h"
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* rp_filter: the way back to any source leads over the TAP twin, so a copy that arrives here is dropped as spoofed.
 * arp_ignore 8: no ARP answers for local addresses. IPv6 has neither knob; it is switched off. */
static const struct {
	const char *path;
	int value;
} settings[SB_UNDERLAY_SETTINGS] = {
        {"/proc/sys/net/ipv4/conf/%s/rp_filter", 1},
        {"/proc/sys/net/ipv4/conf/%s/arp_ignore", 8},
        {"/proc/sys/net/ipv6/conf/%s/disable_ipv6", 1},
};

static int read_int(const char *path)
{
	int v = -1;
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%d", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

static int write_int(const char *path, int v)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return SB_E_IO;
	bool ok = fprintf(f, "%d\n", v) > 0;
	return fclose(f) == 0 && ok ? 0 : SB_E_IO;
}

/* NAME of "driver0,iface=NAME,..."; "" none. net_memif and net_pcap have no interface of the host's to quiet. */
static void iface_of(const char *device, char name[16])
{
	const char *at = strncmp(device, "net_af_", 7) == 0 ? strstr(device, ",iface=") : NULL;
	size_t len = at ? strcspn(at + 7, ",") : 0;
	name[0] = 0;
	if (len > 0 && len < IF_NAMESIZE) {
		memcpy(name, at + 7, len);
		name[len] = 0;
	}
}

int sb_underlay_quiet(const char *device, struct sb_underlay *u, char why[256])
{
	char path[128];
	memset(u->before, 0xff, sizeof u->before);
	iface_of(device, u->name);
	if (!u->name[0] || strchr(u->name, '/'))
		return 0;
	for (unsigned i = 0; i < SB_UNDERLAY_SETTINGS; i++) {
		snprintf(path, sizeof path, settings[i].path, u->name);
		int now = read_int(path);
		if (now == settings[i].value || now < 0) /* absent: a kernel without IPv6 has nothing to be quieted */
			continue;
		if (write_int(path, settings[i].value)) {
			snprintf(why, 256, "%s cannot be set: %s", path, strerror(errno));
			return SB_E_IO;
		}
		u->before[i] = now;
	}
	return 0;
}

void sb_underlay_restore(struct sb_underlay *u)
{
	char path[128];
	for (unsigned i = 0; u->name[0] && i < SB_UNDERLAY_SETTINGS; i++) {
		if (u->before[i] < 0)
			continue;
		snprintf(path, sizeof path, settings[i].path, u->name);
		write_int(path, u->before[i]);
		u->before[i] = -1;
	}
}
