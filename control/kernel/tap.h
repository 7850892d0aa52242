/* SPDX-License-Identifier: BSD-3-Clause */
/* tap.h - the kernel twin of a DPDK port: TAP interfaces with the port's MAC, MTU and addresses, one for untagged
 * frames and one a VLAN. The kernel answers ARP, ND and ICMP echo there, and what it sends leaves through the port.
 * VLAN tags are put on and taken off here, so the kernel needs no 802.1Q support. The interfaces go away with the
 * process (not persistent). Owner: control. Lifetime: from start to stop. What it is not: the kernel's own netdev
 * beneath net_af_packet or net_af_xdp, which must carry no address: see underlay.h. */
#pragma once
#include "control/config/config.h"
#include <switchback/fib.h>

struct sb_tap_twin {
	int fd;
	int ifindex;
	uint16_t vlan; /* 0: untagged */
	char name[16];
};

struct sb_tap {
	int fd;     /* readable when the kernel has sent a frame on any twin; -1 closed */
	uint32_t n; /* twins; the first is the untagged one */
	uint32_t turn;
	struct sb_tap_twin twin[1 + SB_VLANS_MAX];
};

/* Makes the twins, up and addressed. That of VLAN 100 on sb-edge is named sb-edge.100. IPv6 addresses are usable at
 * once; an interface that has any also gets the link-local address of its MAC. Frames read carry full checksums. 0;
 * SB_E_EXIST: a name is taken; SB_E_INVAL: a name is too long; SB_E_IO. why: one line, set on error. */
int sb_tap_open(const struct sb_config_port *port, const uint8_t mac[SB_MAC_LEN], struct sb_tap *tap, char why[256]);
void sb_tap_close(struct sb_tap *tap);

/* One L2 frame that the kernel sent, tagged if it is of a VLAN: its length, 0 when there is none now, SB_E_IO. The
 * twins take turns. size: MTU + 18 at least. */
int sb_tap_read(struct sb_tap *tap, void *frame, uint32_t size);

/* Hands the kernel one L2 frame as if the port had received it. 0; SB_E_FULL: no room now; SB_E_NOENT: of a VLAN we
 * have not; SB_E_IO: refused (a runt, or the interface is down). A frame is taken whole or not at all. */
int sb_tap_write(struct sb_tap *tap, const void *frame, uint32_t len);
