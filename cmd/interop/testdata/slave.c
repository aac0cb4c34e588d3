// A Modbus RTU slave made of libmodbus, for interop's tests: slave DEVICE BAUD
//
// It is unit 17 with 32 coils, 32 discrete inputs, 256 holding and 256 input registers. It says "ready" once it
// listens, and ends when its line does.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <modbus/modbus.h>

enum {
	UNIT = 17,
	BITS = 32,
	REGISTERS = 256,
	BUSY = 0xF0,    // reading this holding register is refused as busy
	FAILING = 0xF1, // and this one with a device failure
	DELAY = 0xF2,   // milliseconds by which the answer to the next request is late, once
};

static void late(uint16_t *ms) {
	struct timespec wait = {*ms / 1000, *ms % 1000 * 1000000L};
	*ms = 0;
	nanosleep(&wait, NULL);
}

static int answer(modbus_t *ctx, const uint8_t *query, int length, modbus_mapping_t *map) {
	int function = query[1], address = query[2] << 8 | query[3];

	if (function == MODBUS_FC_READ_HOLDING_REGISTERS && address == BUSY)
		return modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
	if (function == MODBUS_FC_READ_HOLDING_REGISTERS && address == FAILING)
		return modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE);
	if (map->tab_registers[DELAY] != 0)
		late(&map->tab_registers[DELAY]);
	return modbus_reply(ctx, query, length, map);
}

int main(int argc, char **argv) {
	if (argc != 3)
		return 2;
	modbus_t *ctx = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
	modbus_mapping_t *map = modbus_mapping_new(BITS, BITS, REGISTERS, REGISTERS);
	if (ctx == NULL || map == NULL || modbus_set_slave(ctx, UNIT) != 0 || modbus_connect(ctx) != 0) {
		fprintf(stderr, "slave: %s\n", modbus_strerror(errno));
		return 1;
	}
	for (int i = 0; i < BITS; i++)
		map->tab_input_bits[i] = i % 3 == 0;
	for (int i = 0; i < REGISTERS; i++)
		map->tab_input_registers[i] = 0x1000 + i;
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
		int length = modbus_receive(ctx, query);
		if (length < 0 && (errno == EIO || errno == EBADF || errno == ECONNRESET))
			return 0;
		if (length > 0) // 0: for another unit; less: not a good frame
			answer(ctx, query, length, map);
	}
}
