/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/build.h"
#include <unistd.h>

void sb_build_policy(const struct sb_raw *raw, struct sb_trunk_policy *policy)
{
	for (uint32_t i = 0; i < raw->trunks.n; i++) {
		const struct sb_raw_trunk *t = &raw->trunks.list[i];
		policy[i] = (struct sb_trunk_policy){
		        .probe = t->probe.method == PROBE_OPTIONS,
		        .interval_ms = t->probe.interval,
		        .timeout_ms = t->probe.timeout,
		        .failures = t->probe.failures,
		        .successes = t->probe.successes,
		        .min_ms = t->probe.min,
		        .max_ms = t->probe.max,
		        .up_codes = t->probe.up_codes,
		        .down_codes = t->probe.down_codes,
		        .traffic_failures = t->traffic.failures,
		        .traffic_window = t->traffic.window,
		        .ramp_ms = t->ramp,
		};
	}
}

static void build_addresses(const sb_raw_nets *from, struct sb_config_addresses *to)
{
	to->n = from->n;
	for (uint32_t i = 0; i < from->n; i++) {
		const struct sb_net *net = &from->list[i].net;
		memcpy(to->list[i].ip.ip, net->ip, 16);
		to->list[i].ip.family = net->family;
		to->list[i].bits = net->bits;
	}
}

static void build_port(const struct sb_raw_port *from, struct sb_config_port *to)
{
	strcpy(to->name, from->name);
	strcpy(to->device, from->device);
	/* The check has seen that "sb-" and the name fit. */
	strcpy(to->tap, from->tap ? "" : "sb-");
	strcat(to->tap, from->tap ? from->tap : from->name);
	to->mtu = from->mtu;
	build_addresses(&from->addresses, &to->addresses);
	to->n_vlans = from->vlans.n;
	for (uint32_t i = 0; i < from->vlans.n; i++) {
		to->vlans[i].id = (uint16_t)from->vlans.list[i].id;
		build_addresses(&from->vlans.list[i].addresses, &to->vlans[i].addresses);
	}
}

/* Where no worker is named, the second CPU polls and the first stays for control; with one CPU they share it. */
static void build_workers(const struct sb_raw *raw, struct sb_config *c)
{
	c->n_workers = raw->workers.n;
	for (uint32_t i = 0; i < raw->workers.n; i++)
		c->workers[i] = (int)raw->workers.list[i].value;
	if (!c->n_workers) {
		c->n_workers = 1;
		c->workers[0] = sysconf(_SC_NPROCESSORS_CONF) > 1 ? 1 : 0;
	}
}

void sb_build_config(const struct sb_raw *raw, struct sb_config *c)
{
	strcpy(c->control.socket, raw->control.socket);
	strcpy(c->control.state_dir, raw->control.state_dir);
	c->control.lcore = (int)raw->control.lcore;
	c->control.log_level = (enum sb_log_level)raw->control.log_level;
	c->control.log_format = (enum sb_log_format)raw->control.log_format;
	build_workers(raw, c);
	snprintf(c->hugepages, sizeof c->hugepages, "%s", sb_schema_hugepages(raw->hugepages));
	c->memory_mb = raw->memory_mb;
	c->n_ports = raw->ports.n;
	for (uint32_t i = 0; i < raw->ports.n; i++)
		build_port(&raw->ports.list[i], &c->ports[i]);
	c->transactions_max = raw->limits.transactions;
	c->n_trunks = raw->trunks.n;
}
