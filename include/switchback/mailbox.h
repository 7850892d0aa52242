/* SPDX-License-Identifier: BSD-3-Clause */
/* mailbox.h - the messages between a worker and the control thread: one ring each way and a worker.
 * Nothing else crosses but the snapshot pointer, the health table and the counters. */
#pragma once
#include <switchback/addr.h>
#include <switchback/ring.h>

enum sb_mail_op {
	/* worker -> control */
	SB_MAIL_ARM = 1,      /* timer: wake transaction {slot, gen} at deadline_ms; replaces the slot's earlier one */
	SB_MAIL_EVIDENCE,     /* a trunk failed a call: kind is enum sb_evidence */
	SB_MAIL_PROBE_RESULT, /* a probe was answered: code, retry_after_s */
	SB_MAIL_EVENT,        /* something worth a line in the event log: kind is enum sb_event */
	/* control -> worker */
	SB_MAIL_FIRED,      /* timer: the deadline of {slot, gen} has come */
	SB_MAIL_PROBE,      /* send an OPTIONS probe to trunk (index of that slot in the current snapshot) */
	SB_MAIL_TRUNK_DOWN, /* health slot went DOWN: legs without a provisional move on */
	SB_MAIL_ICMP,       /* a kernel socket reported an ICMP error for branch text */
};

/* Why a call attempt told something about a trunk. */
enum sb_evidence {
	SB_EV_ANSWER = 1, /* it answered something that is not a failure (told by counters, not by mail) */
	SB_EV_TIMEOUT,    /* the retry formula ran out without any response */
	SB_EV_CODE,       /* a final response listed in failover_on (code, retry_after_s) */
	SB_EV_ICMP,       /* ICMP unreachable that quotes a leg of ours */
	SB_EV_SEND,       /* the packet could not be sent */
	SB_EV_DOWN,       /* no evidence, a reason in events: the trunk went DOWN while the leg waited */
};

enum sb_event {
	SB_EVENT_FAILOVER = 1, /* trunk gave up (why: enum sb_evidence), trunk2 is next */
	SB_EVENT_EXHAUSTED,    /* trunk gave up and no candidate is left: the caller gets code */
	SB_EVENT_SKIPPED,      /* trunk passed over; code is its enum sb_health_state, code2 its enum sb_admin */
	SB_EVENT_PANIC,        /* every candidate DOWN, trunk is the least bad */
	SB_EVENT_LATE_2XX,     /* a 2xx came from a leg given up: code 1 forwarded, 2 ACKed and BYEd */
	SB_EVENT_TABLE_FULL,   /* new INVITEs get 503 (at most one event a second and worker) */
	SB_EVENT_OVERLOAD,     /* code percent of them do: the worker is past its capacity (at most one, likewise) */
};

#define SB_MAIL_TEXT_MAX 38

struct sb_mail {
	uint8_t op;      /* enum sb_mail_op */
	uint8_t kind;    /* enum sb_evidence or sb_event */
	uint16_t trunk;  /* health slot; SB_NO_TRUNK if none */
	uint16_t trunk2; /* health slot */
	uint16_t code;   /* SIP status, or as the kind says */
	union {
		struct {
			uint32_t slot, gen;
			uint64_t deadline_ms; /* the clock handed to the core */
		} timer;
		struct {
			uint32_t id;            /* of the probe: echoed in the result */
			uint32_t retry_after_s; /* 0: none */
			uint32_t rtt_us;        /* unused by the worker: control knows when it asked */
		} probe;
		struct {
			uint32_t retry_after_s; /* of a 503; 0: none */
		} evidence;
		struct {
			uint32_t elapsed_us; /* from the INVITE's arrival */
			uint8_t why;         /* enum sb_evidence */
			uint8_t code2;
			uint8_t text_len;
			char text[SB_MAIL_TEXT_MAX]; /* the Call-ID's first bytes */
		} event;
		struct {
			char branch[50]; /* the Via branch quoted by the ICMP error, NUL-terminated */
		} icmp;
	};
};
_Static_assert(sizeof(struct sb_mail) == 64, "one mail, one cache line");

#define SB_NO_TRUNK 0xffff

struct sb_mailbox {
	struct sb_ring up;   /* worker -> control */
	struct sb_ring down; /* control -> worker */
};

static inline int sb_mailbox_init(struct sb_mailbox *m, uint32_t slots)
{
	if (sb_ring_init(&m->up, slots, sizeof(struct sb_mail)))
		return -1;
	if (sb_ring_init(&m->down, slots, sizeof(struct sb_mail))) {
		sb_ring_fini(&m->up);
		return -1;
	}
	return 0;
}

static inline void sb_mailbox_fini(struct sb_mailbox *m)
{
	sb_ring_fini(&m->up);
	sb_ring_fini(&m->down);
}
