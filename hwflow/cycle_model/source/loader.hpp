// The byte writer and the loader (loader.py).
#pragma once

#include "parts.hpp"

namespace cycles {

struct ByteWriter {
    int beats, parts, capacity, index = 0, part = 0, word = 0;
    Fifo fifo;
    bool writing = false;
    int64_t slots = 0;
    explicit ByteWriter(const Parameters &p)
        : beats(p.cols > p.memory_bytes ? p.cols / p.memory_bytes : 1),
          parts(p.memory_bytes > p.cols ? p.memory_bytes / p.cols : 1), capacity(p.writer_beats), fifo(p.writer_beats) {}
    int free() const { return capacity - fifo.level(); }
    bool idle(bool beat) const { return !beat && !writing && fifo.level() == 0; }
    void step(int words, bool stall) {
        bool ready = fifo.readable && !stall, taken = false, written = false;
        int slot_words = ready ? fifo.head() : 0;
        if (ready) {
            taken = part == parts - 1;
            part = taken ? 0 : part + 1;
            written = index == beats - 1;
            index = written ? 0 : index + 1;
        }
        fifo.step(words != 0, words, taken);
        writing = written;
        if (written && ++word == slot_words) word = 0, ++slots;
    }
};

struct Loader {
    enum State { CHOOSE, BURST, REQUEST };
    const Parameters &p;
    const Instruction *schedule;
    int length, per_instruction;
    Memory &memory;
    Fifo instructions, conv, scalar, routes;
    int written = 0, claimed = 0, instruction_beat = 0, room = 0, request = 0, beat_index = 0, image_words = 0;
    bool fetching = false, loading = false, held_load = false, quiet = false, image_begun = false;
    int ring = 0, beats_left = 0, after = 0, outstanding[RINGS] = {};
    State state = CHOOSE;
    std::vector<Delay> seen;
    ByteWriter writer;
    int arrival = -1;

    Loader(const Parameters &p, const Instruction *schedule, int length, Memory &memory)
        : p(p), schedule(schedule), length(length), per_instruction(p.instruction_bytes / p.memory_bytes), memory(memory),
          instructions(p.prefetched), conv(p.conv_queue), scalar(p.scalar_queue), routes(p.requests_ahead),
          seen(RINGS, Delay(p.ring_free)), writer(p) {}

    bool idle() const {
        for (int each : outstanding)
            if (each) return false;
        return !fetching && !loading && claimed == 0 && writer.idle(arrival == BYTES);
    }
    bool image_done() const {
        return image_begun && !(loading && ring == BYTES) && outstanding[BYTES] == 0 && writer.idle(arrival == BYTES);
    }

    void step(int64_t cycle, bool start, const int *free, bool conv_read, bool scalar_read, int layers_done, bool stall) {
        int now = arrival, asked = request, route = -1, route_beats = 0, room_now = room;
        bool claim = false, quiet_now = quiet, still = loading;
        int added[RINGS] = {};
        if (state == CHOOSE) {
            int units = ring == BYTES ? writer.free() : free[ring];
            room = held_load && units > outstanding[ring] ? units - outstanding[ring] : 0;
            quiet = !held_load || outstanding[ring] == 0;
            if (routes.writable() && fetching && claimed != p.prefetched) {
                route = SCHEDULE, route_beats = per_instruction, claim = true;
                request = per_instruction;
                state = REQUEST;
            } else if (routes.writable() && loading && after <= layers_done) {
                state = BURST;
            }
        } else if (state == BURST) {
            state = CHOOSE;
            int want = p.burst < beats_left ? p.burst : beats_left;
            int size = room_now < want ? room_now : want;
            if (room_now >= want || (quiet_now && room_now)) {
                route = ring, route_beats = size;
                added[ring] = size;
                request = size;
                if (beats_left == size) still = false;
                beats_left -= size;
                state = REQUEST;
            }
        } else {
            request = 0;
            state = CHOOSE;
        }

        bool arrived = memory.beat_valid && routes.readable, last = false;
        int held = -1;
        if (arrived) {
            held = routes.head() >> 16;
            last = beat_index == (routes.head() & 0xffff) - 1;
            beat_index = last ? 0 : beat_index + 1;
        }
        for (int each = 0; each < RINGS; ++each) outstanding[each] += added[each] - seen[each].step(now == each);
        writer.step(now == BYTES ? image_words : 0, stall);

        bool taken = false, to_conv = false, to_scalar = false, fetching_next = fetching;
        int word = -1;
        if (instructions.readable && fetching && !loading) {
            word = instructions.head();
            const Instruction &next = schedule[word];
            if (next.op == CONV) {
                to_conv = true, taken = conv.writable();
            } else if (next.op == LOAD) {
                taken = held_load = still = true;
                ring = next.ring, beats_left = next.beats, after = next.after;
                if (ring == BYTES) image_begun = true, image_words = next.words;
            } else {
                to_scalar = true, taken = scalar.writable();
                if (taken && next.op == END) fetching_next = false;
            }
        }
        bool removed = instructions.readable && (taken || !fetching), whole = false;
        int index = 0;
        if (now == SCHEDULE && ++instruction_beat == per_instruction) {
            instruction_beat = 0;
            whole = true;
            index = written < length ? written : length - 1;
            ++written;
        }
        instructions.step(whole, index, taken || !fetching);
        claimed += claim - removed;
        conv.step(to_conv, word, conv_read);
        scalar.step(to_scalar, word, scalar_read);
        routes.step(route >= 0, route << 16 | route_beats, arrived && last);
        memory.step(cycle, asked, arrived);
        loading = still;
        fetching = fetching_next || start;
        arrival = held;
    }
};

}  // namespace cycles
