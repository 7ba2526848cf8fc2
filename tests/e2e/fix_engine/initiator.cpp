// initiator HOST PORT LOGS PASSWORD NEWPASSWORD RAWDATA: the client's side. Logs on with secrets, sends orders and
// cancels, a test request, lets both sides ask for a resend, leaves a gap, and logs out. Ends within 30 seconds.
#include "settings.h"

#include <quickfix/Application.h>
#include <quickfix/SocketInitiator.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

class Client : public FIX::NullApplication {
      public:
	std::atomic<bool> on{false}, over{false};
	std::atomic<int> reports{0}, resends_asked{0}, resent{0};
	std::string password, new_password, raw;

	void onLogon(const FIX::SessionID &) override
	{
		on = true;
	}
	void onLogout(const FIX::SessionID &) override
	{
		over = on.load();
	}
	void toAdmin(FIX::Message &message, const FIX::SessionID &) override
	{
		if (!has_type(message, "A"))
			return;
		message.setField(95, std::to_string(raw.size()));
		message.setField(96, raw);
		message.setField(553, "trader");
		message.setField(554, password);
		message.setField(925, new_password);
	}
	void fromAdmin(const FIX::Message &message, const FIX::SessionID &)
		throw(FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::RejectLogon) override
	{
		resends_asked += has_type(message, "2");
	}
	void fromApp(const FIX::Message &message, const FIX::SessionID &)
		throw(FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::UnsupportedMessageType) override
	{
		reports++;
		resent += message.getHeader().isSetField(43);
	}
};

static bool wait_until(const std::function<bool()> &done)
{
	for (int i = 0; i < 100 && !done(); i++)
		std::this_thread::sleep_for(std::chrono::milliseconds(50));
	return done();
}

static FIX::Message order(int number)
{
	FIX::Message m;
	bool limit = number % 3 != 0;

	m.getHeader().setField(35, "D");
	m.setField(1, "ACCOUNT");
	m.setField(11, "C" + std::to_string(number));
	m.setField(21, "1");
	m.setField(38, std::to_string(100 * number) + (number % 4 ? "" : ".25"));
	m.setField(40, limit ? "2" : "1");
	m.setField(44, std::to_string(10 + number) + ".0125");
	m.setField(54, number % 2 ? "1" : "2");
	m.setField(55, number % 2 ? "ESZ6" : "BRK.B");
	m.setField(58, std::string(static_cast<size_t>(number % 8) * 300, 'x') + "text with = in it");
	m.setField(60, "20240229-14:30:05.123");
	return m;
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	Client client;
	FIX::SessionSettings all = settings(false, argv[1], std::atoi(argv[2]), argv[3]);
	FIX::MemoryStoreFactory store;
	FIX::FileLogFactory log(all);
	FIX::SessionID id("FIX.4.4", "CLIENT", "DESK");

	client.password = argv[4];
	client.new_password = argv[5];
	client.raw = argv[6];
	FIX::SocketInitiator initiator(client, store, all, log);
	initiator.start();
	if (!wait_until([&] { return client.on.load(); }))
		return 1;
	FIX::Session *session = FIX::Session::lookupSession(id);
	for (int i = 1; i <= 40; i++) {
		FIX::Message m = order(i);

		FIX::Session::sendToTarget(m, id);
		if (i % 10 == 0) {
			FIX::Message cancel;

			cancel.getHeader().setField(35, "F");
			cancel.setField(11, "X" + std::to_string(i));
			cancel.setField(41, "C" + std::to_string(i));
			FIX::Session::sendToTarget(cancel, id);
		}
	}
	if (!wait_until([&] { return client.reports >= 84; }))
		return 1;
	FIX::Message test;
	test.getHeader().setField(35, "1");
	test.setField(112, "are you there");
	FIX::Session::sendToTarget(test, id);
	// as if five reports had never come: what is next is too high, so they are asked for again
	session->setNextTargetMsgSeqNum(session->getExpectedTargetNum() - 5);
	if (!wait_until([&] { return client.resent >= 3; }))
		return 1;
	// five numbers that were never sent: the other side asks, and is told to go on behind them
	session->setNextSenderMsgSeqNum(session->getExpectedSenderNum() + 5);
	FIX::Message last = order(41);
	FIX::Session::sendToTarget(last, id);
	if (!wait_until([&] { return client.resends_asked >= 1; }))
		return 1;
	std::this_thread::sleep_for(std::chrono::milliseconds(1500)); // heartbeats
	session->logout("done");
	bool good = wait_until([&] { return client.over.load(); });
	initiator.stop();
	return good ? 0 : 1;
}
