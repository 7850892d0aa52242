/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.h - frames for the tests of the packet path, made by the code that sends them. */
#pragma once
#include "dataplane/net/decode.h"
#include "dataplane/net/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FRAME_ROOM 128

struct made {
	uint8_t room[FRAME_ROOM + 66000];
	uint8_t *frame;
	uint32_t len;
};

static inline struct sb_addr at(const char *text)
{
	struct sb_addr a;
	assert_int_equal(sb_addr_parse(text, 0, &a), 0);
	return a;
}

/* len bytes of payload 'a', 'b', ... from -> to. */
static inline void make_udp(
        struct made *m, const struct sb_addr *from, const struct sb_addr *to, uint16_t vlan, uint32_t len)
{
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = from, .to = to, .vlan = vlan, .id = 7};
	uint8_t *l4 = m->room + FRAME_ROOM;
	size_t head = sb_wire_head_len(&w, false);
	for (uint32_t i = 0; i < len; i++)
		l4[8 + i] = (uint8_t)('a' + i % 26);
	sb_wire_udp(&w, l4, len, false);
	m->frame = l4 - head;
	m->len = (uint32_t)head + 8 + len;
	sb_wire_head(&w, m->frame, len + 8, NULL);
}
