/* SPDX-License-Identifier: BSD-3-Clause */
/* underlay.h - the kernel's own interface beneath a port of net_af_packet or net_af_xdp. It sees a copy of what the
 * port receives, and the addresses on the TAP twin are its host's too: left alone it would answer ARP, ping and SIP a
 * second time (with "port unreachable"). While we use it, it is told to keep quiet. Owner: control. Lifetime: from
 * start to stop; what was set is put back at the end. */
#pragma once
#include <switchback/err.h>
#include <stdint.h>

#define SB_UNDERLAY_SETTINGS 3

struct sb_underlay {
	char name[16];                    /* "" the port has none */
	int before[SB_UNDERLAY_SETTINGS]; /* values to put back; -1 unknown or unchanged */
};

/* device: DPDK devargs; those without "iface=" have no underlay and are left alone. 0 or SB_E_IO; why: one line. */
int sb_underlay_quiet(const char *device, struct sb_underlay *u, char why[256]);
void sb_underlay_restore(struct sb_underlay *u);
