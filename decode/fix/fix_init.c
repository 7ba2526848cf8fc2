#include "decode/fix/fix_fields.h"

#include <errno.h>
#include <stdlib.h>

int fix_init(struct fix *fx, const struct fix_options *opt, const struct fix_hooks *hooks,
	struct events *out)
{
	enum { MESSAGE_MAX = 16 * 1024 * 1024, SESSIONS_MAX = 1024 * 1024 };
	uint32_t slots_n = 2;

	*fx = (struct fix){.opt = *opt, .hooks = *hooks, .out = out};
	if (opt->message_max < FIX_MESSAGE_MIN || opt->message_max > MESSAGE_MAX ||
		!opt->sessions_max || opt->sessions_max > SESSIONS_MAX || !opt->flows_max)
		return -EINVAL;
	while (slots_n < 2 * opt->sessions_max)
		slots_n *= 2;
	fx->sessions_mask = slots_n - 1;
	fx->sessions = calloc(slots_n, sizeof(*fx->sessions));
	fx->dirs = calloc(opt->flows_max, sizeof(*fx->dirs));
	fx->soh = calloc(opt->message_max + FIX_SCAN_SLACK, sizeof(*fx->soh));
	fx->fields = fx->fields_begin =
		calloc(FIX_FIELDS_KEPT + fix_fields_max(opt->message_max), sizeof(*fx->fields));
	if (!fx->sessions || !fx->dirs || !fx->soh || !fx->fields) {
		fix_free(fx);
		return -ENOMEM;
	}
	return 0;
}

void fix_free(struct fix *fx)
{
	free(fx->sessions);
	free(fx->dirs);
	free(fx->soh);
	free(fx->fields_begin);
	*fx = (struct fix){0};
}
