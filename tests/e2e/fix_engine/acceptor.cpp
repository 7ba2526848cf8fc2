// acceptor PORT LOGS: the broker's side. Answers each order with two execution reports, each cancel with a reject,
// and ends after the client's logout, or after 30 seconds.
#include "settings.h"

#include <quickfix/Application.h>
#include <quickfix/SocketAcceptor.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

class Desk : public FIX::NullApplication {
      public:
	std::atomic<bool> over{false};

	void onLogout(const FIX::SessionID &) override
	{
		over = on.load();
	}
	void onLogon(const FIX::SessionID &) override
	{
		on = true;
	}
	void fromApp(const FIX::Message &order, const FIX::SessionID &id)
		throw(FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::UnsupportedMessageType) override
	{
		if (has_type(order, "D")) {
			report(order, id, "0", "0", "0");
			report(order, id, "F", "2", order.getField(38));
		} else if (has_type(order, "F")) {
			FIX::Message reject;

			reject.getHeader().setField(35, "9");
			reject.setField(11, order.getField(11));
			reject.setField(37, "NONE");
			reject.setField(39, "8");
			reject.setField(41, order.getField(41));
			reject.setField(58, "too late = filled");
			reject.setField(102, "0");
			reject.setField(434, "1");
			FIX::Session::sendToTarget(reject, id);
		}
	}

      private:
	std::atomic<bool> on{false};
	int reports = 0;

	void report(const FIX::Message &order, const FIX::SessionID &id, const char *exec, const char *status,
		const std::string &quantity)
	{
		FIX::Message m;

		m.getHeader().setField(35, "8");
		m.setField(6, order.getField(44));
		m.setField(11, order.getField(11));
		m.setField(14, quantity);
		m.setField(17, "E" + std::to_string(++reports));
		m.setField(31, order.getField(44));
		m.setField(32, quantity);
		m.setField(37, "O" + order.getField(11));
		m.setField(38, order.getField(38));
		m.setField(39, status);
		m.setField(54, order.getField(54));
		m.setField(55, order.getField(55));
		m.setField(150, exec);
		m.setField(151, *exec == 'F' ? "0" : order.getField(38));
		FIX::Session::sendToTarget(m, id);
	}
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	Desk desk;
	FIX::SessionSettings all = settings(true, "", std::atoi(argv[1]), argv[2]);
	FIX::MemoryStoreFactory store;
	FIX::FileLogFactory log(all);
	FIX::SocketAcceptor acceptor(desk, store, all, log);

	acceptor.start();
	for (int i = 0; i < 300 && !desk.over; i++)
		std::this_thread::sleep_for(std::chrono::milliseconds(100));
	acceptor.stop();
	return desk.over ? 0 : 1;
}
