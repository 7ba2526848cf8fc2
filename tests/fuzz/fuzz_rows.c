/* Rows of any bytes: what is read lies inside, in order, and whole rows are rows again. */
#include <stdlib.h>

#include "publish/rows/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rows = bytes_of(data, size), event;
	const uint8_t *before = rows.p;
	struct stream_facts stream = {
		.domain = DOMAIN_MD, .venue = "XNAS", .key = "XNAS/0", .key_len = 6};
	int rc;

	while ((rc = batch_row(&rows, &event)) > 0) {
		struct row_facts facts;
		char key[ROW_KEY_MAX];

		must(event.p > before && event.p <= event.end && event.end == rows.p);
		must(*before == 0x0a && rows.p <= data + size);
		before = rows.p;
		if (row_read(event, &facts) < 0)
			continue;
		must(facts.symbol.len == 0 ||
			((const uint8_t *)facts.symbol.p >= event.p &&
				(const uint8_t *)facts.symbol.p + facts.symbol.len <= event.end));
		must(facts.type == 0 || (facts.type >= EVENT_MBO && facts.type <= EVENT_LEDGER));
		must(event_family(DOMAIN_MD, facts.type) != NULL);
		must(row_key(&stream, &facts, key) < ROW_KEY_MAX);
	}
	must(rows.p == rows.end);
	must(rc == 0 ? before == data + size : rc == -REASON_garbled && before < data + size);
	return 0;
}
