/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/config.h"
#include "control/config/mistakes.h"
#include <stdarg.h>

struct compare {
	const char *file;
	struct sb_config_errors *errors;
	int rc;
};

static void changed(struct compare *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void changed(struct compare *c, const char *format, ...)
{
	char text[640];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	int rc = sb_config_errors_add(c->errors, "%s: %s, which needs a restart", c->file, text);
	if (c->rc != SB_E_NOMEM)
		c->rc = rc ? rc : SB_E_CONFIG;
}

static void compare_text(struct compare *c, const char *key, const char *old, const char *new)
{
	if (strcmp(old, new) != 0)
		changed(c, "%s: changes from \"%s\" to \"%s\"", key, old, new);
}

static void compare_number(struct compare *c, const char *key, uint32_t old, uint32_t new)
{
	if (old != new)
		changed(c, "%s: changes from %u to %u", key, old, new);
}

static bool same_addresses(const struct sb_config_addresses *a, const struct sb_config_addresses *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (!sb_addr_eq(&a->list[i].ip, &b->list[i].ip) || a->list[i].bits != b->list[i].bits)
			return false;
	}
	return true;
}

static bool same_vlans(const struct sb_config_port *a, const struct sb_config_port *b)
{
	if (a->n_vlans != b->n_vlans)
		return false;
	for (uint32_t i = 0; i < a->n_vlans; i++) {
		if (a->vlans[i].id != b->vlans[i].id || !same_addresses(&a->vlans[i].addresses, &b->vlans[i].addresses))
			return false;
	}
	return true;
}

static void compare_port(
        struct compare *c, uint32_t i, const struct sb_config_port *old, const struct sb_config_port *new)
{
	char key[40];
	snprintf(key, sizeof key, "ports[%u].name", i);
	compare_text(c, key, old->name, new->name);
	snprintf(key, sizeof key, "ports[%u].device", i);
	compare_text(c, key, old->device, new->device);
	snprintf(key, sizeof key, "ports[%u].tap", i);
	compare_text(c, key, old->tap, new->tap);
	snprintf(key, sizeof key, "ports[%u].mtu", i);
	compare_number(c, key, old->mtu, new->mtu);
	if (!same_addresses(&old->addresses, &new->addresses))
		changed(c, "ports[%u].addresses: changes", i);
	if (!same_vlans(old, new))
		changed(c, "ports[%u].vlans: changes", i);
}

static void compare_ports(struct compare *c, const struct sb_config *old, const struct sb_config *new)
{
	if (old->n_ports != new->n_ports) {
		changed(c, "ports: changes from %u to %u ports", old->n_ports, new->n_ports);
		return;
	}
	for (uint32_t i = 0; i < old->n_ports; i++)
		compare_port(c, i, &old->ports[i], &new->ports[i]);
}

int sb_config_reloadable(const struct sb_config *running, const struct sb_config *next, struct sb_config_errors *errors)
{
	struct compare c = {next->file, errors, 0};
	compare_text(&c, "control.socket", running->control.socket, next->control.socket);
	compare_number(&c, "control.lcore", (uint32_t)running->control.lcore, (uint32_t)next->control.lcore);
	compare_text(&c, "control.state_dir", running->control.state_dir, next->control.state_dir);
	if (running->n_workers != next->n_workers ||
	        memcmp(running->workers, next->workers, running->n_workers * sizeof *running->workers) != 0)
		changed(&c, "workers: changes");
	compare_text(&c, "hugepages", running->hugepages, next->hugepages);
	compare_number(&c, "memory", running->memory_mb, next->memory_mb);
	compare_ports(&c, running, next);
	compare_number(&c, "limits.transactions", running->transactions_max, next->transactions_max);
	return c.rc;
}
