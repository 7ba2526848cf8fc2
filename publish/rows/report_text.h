/* report_text: reports of traffic and talkers in one line each. */
#pragma once

#include "events/v1/event.pb-c.h"
#include "publish/rows/buf.h"

/* traffic_text_put writes "1.000 s 1200 packets 1200 pps 9.6 Mbit/s: tcp 1000 pps 9.1 Mbit/s, …". */
void traffic_text_put(struct buf *out, const Events__V1__TrafficReport *report);

/* talker_text_put writes "by source 1.000 s: 192.0.2.1 800 packets 7.2 Mbit/s, …". */
void talker_text_put(struct buf *out, const Events__V1__TalkerReport *report);
