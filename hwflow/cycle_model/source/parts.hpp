// Instructions, parameters, and what every unit is made of: FIFOs, delays, the memory port, rings, results (parts.py).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace cycles {

enum Op { LOAD = 1, CONV = 2, MEAN = 3, FC = 4, AFFINE = 5, END = 6 };
enum Ring { WEIGHTS, MACS, CONSTANTS, BYTES, LONG, RINGS };
const int SCHEDULE = 5, STORE_BYTES = 3, SCALE = 1, LOGITS = 2;

// Columns of the schedule, in the order of compiled.FIELDS.
struct Instruction {
    int32_t op, layer, ring, beats, words, after, mac, in_w, out_w, stride2, pad_top, pad_left, kernel, row_aligned, tiles,
        groups, weight_words, store, bits_en, pool_en, sums_en, interval, count, outputs, steps, wide, dest, records;
};

// In the order of `_parameters` in compiled.py.
struct Parameters {
    int32_t rows, cols, row_groups, memory_bytes, weight_words, weight_beats, mac_words, mac_half_beats, record_beats,
        records_per_beat, constant_beats, latency, beats, per, steady, instruction_bytes, layer_counters, scalar_counters,
        end_counters, weight_release, events, setup, mac_group_latency, binary_group_latency, vector_latency,
        sum_token_latency, settle, drain, drain_pool, drain_features, drain_both, burst, prefetched, conv_queue,
        scalar_queue, requests_ahead, ring_free, writer_beats, matvec_latency, matvec_release, scalar_output,
        affine_latency, result_words, layer_records, patience;
};

struct Fifo {  // parts.BufferedFifo
    int depth, inner = 0;
    bool readable = false;
    std::deque<int> items;
    explicit Fifo(int depth) : depth(depth) {}
    bool writable() const { return depth == 1 ? !readable : inner != depth - 1; }
    int level() const { return inner + readable; }
    int head() const { return items.front(); }
    void step(bool offered, int item, bool read) {
        bool write = offered && writable();
        if (write) items.push_back(item);
        if (read && readable) items.pop_front();
        if (depth == 1) {
            readable = write || (readable && !read);
            return;
        }
        bool refill = inner > 0 && (!readable || read);
        inner += write - refill;
        if (refill) readable = true;
        else if (read) readable = false;
    }
};

struct Delay {  // parts.Delay
    std::vector<int> line;
    std::size_t at = 0;
    explicit Delay(int cycles) : line(cycles, 0) {}
    int step(int value) {
        int out = line[at];
        line[at] = value;
        if (++at == line.size()) at = 0;
        return out;
    }
};

struct Memory {  // parts.MemoryPort
    int latency, beats, per, most, credit = 0;
    std::deque<std::pair<int64_t, int>> queue;
    bool beat_valid = false;
    explicit Memory(const Parameters &p)
        : latency(p.latency), beats(p.beats), per(p.per), most(p.per + (p.steady ? p.beats - 1 : 0)) {}
    void step(int64_t cycle, int request, bool taken) {
        credit = credit + beats < most ? credit + beats : most;
        if (request) queue.push_back({cycle + latency - 1, request});
        if (!taken && beat_valid) return;
        beat_valid = false;
        if (!queue.empty() && cycle >= queue.front().first && credit >= per) {
            beat_valid = true;
            credit -= per;
            if (!--queue.front().second) queue.pop_front();
        }
    }
};

struct WeightRing {
    int beats, level = 0, free, beat = 0;
    Delay release;
    explicit WeightRing(const Parameters &p)
        : beats(p.weight_beats), free(p.weight_words * p.weight_beats), release(p.weight_release + p.cols - 1) {}
    void step(bool write, int claimed, int released) {
        free += release.step(released) * beats - write;
        if (write && ++beat == beats) beat = 0, ++level;
        level -= claimed;
    }
};

struct MacRing {
    int beats, level = 0, free, beat = 0;
    Delay conv, vector;
    explicit MacRing(const Parameters &p)
        : beats(p.mac_half_beats), free(2 * p.mac_words * p.mac_half_beats), conv(p.weight_release), vector(1) {}
    void step(bool write, int claimed, int released, int halves) {
        int first = conv.step(released), second = vector.step(halves);
        free += (2 * first + second) * beats - write;
        if (write && ++beat == beats) beat = 0, ++level;
        level -= 2 * claimed + halves;
    }
};

struct ConstantRing {
    int beats, records, level = 0, free, beat = 0, index = 0;
    bool written = false;
    explicit ConstantRing(const Parameters &p)
        : beats(p.record_beats), records(p.records_per_beat), free(p.constant_beats) {}
    void step(bool write, int taken) {
        level += records * written - taken;
        index += taken;
        if (index == records) index = 0, free += beats;
        free -= write;
        written = false;
        if (write && ++beat == beats) beat = 0, written = true;
    }
};

struct Results {
    Fifo fifo;
    int last, index = 0, records;
    bool inside = false, scalar = false;
    explicit Results(const Parameters &p) : fifo(p.layer_records), last(p.layer_counters), records(p.layer_records) {}
    bool ready() const { return fifo.level() <= records - 1; }
    bool step(bool layer_done, int word) {  // word: -1 for none
        bool of_scalar = inside ? scalar : !fifo.readable;
        bool done = false, taken = false;
        if (of_scalar) {
            taken = word >= 0;
            if (taken) inside = !word, scalar = true;
        } else if (fifo.readable) {
            done = index == last;
            index = done ? 0 : index + 1;
            inside = !done, scalar = false;
        }
        fifo.step(layer_done, 1, done);
        return taken;
    }
};

}  // namespace cycles
