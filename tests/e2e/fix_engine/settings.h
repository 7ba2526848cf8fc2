// What both ends of the scripted session agree on. Built on QuickFIX, which shares no line with our
// decoder.
#pragma once

#include <quickfix/FileLog.h>
#include <quickfix/MessageStore.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>

#include <string>

inline FIX::SessionSettings settings(
	bool acceptor, const std::string &host, int port, const std::string &logs)
{
	FIX::Dictionary d;

	d.setString("ConnectionType", acceptor ? "acceptor" : "initiator");
	d.setString("UseDataDictionary", "N");
	d.setString("StartTime", "00:00:00");
	d.setString("EndTime", "00:00:00");
	d.setString("FileLogPath", logs);
	d.setString("HeartBtInt", "1");
	d.setString("ReconnectInterval", "1");
	d.setString("TimestampPrecision", "6");
	d.setString("SocketReuseAddress", "Y");
	d.setString("SocketNodelay", "Y");
	d.setInt(acceptor ? "SocketAcceptPort" : "SocketConnectPort", port);
	if (!acceptor)
		d.setString("SocketConnectHost", host);

	FIX::SessionSettings all;
	all.set(d); // the log looks for its path among the defaults
	all.set(FIX::SessionID(
			"FIX.4.4", acceptor ? "DESK" : "CLIENT", acceptor ? "CLIENT" : "DESK"),
		d);
	return all;
}

// has says whether the message is of this type.
inline bool has_type(const FIX::Message &message, const char *type)
{
	return message.getHeader().getField(35) == type;
}
