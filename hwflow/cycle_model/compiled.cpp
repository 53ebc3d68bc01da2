// The control of one frame, cycle by cycle: the same registers as model.py, front_end.py, loader.py, scalar.py and
// parts.py of this folder, for configurations without streams to external memory. Every latency and depth comes
// from the caller, so that it has one formula. tests/hwflow/test_compiled_cycles.py holds it against them.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace {

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

struct Sequencer {
    enum State { IDLE, SETUP, RUN, DRAIN, REPORT };
    const Parameters &p;
    State state = IDLE;
    const Instruction *conv = nullptr;
    int row = 0, wait = 0, steps = 0, at = 0, tile = 0, cg = 0, quiet = 0, left = 0, drain = 1, flight = 0;
    std::deque<int64_t> groups, tokens, stores;
    Delay reported;
    int claimed = 0, released = 0;
    bool sum_token = false, layer_done = false, issued = false, bytes_stall = false;
    std::vector<int64_t> starts, ends;
    explicit Sequencer(const Parameters &p) : p(p), reported(p.events) {}
    bool ready() const { return state == IDLE; }
    bool mac() const { return conv && conv->mac; }

    void step(int64_t cycle, const Instruction *next, int level, bool scale, bool image_done, int64_t slots) {
        State now = state;
        bool issue = false, tile_end = false, done = false;
        claimed = released = 0;
        int waiting = wait;
        if (wait) --wait;
        if (now == RUN) {
            issue = at || !((tile == 0 && level < conv->weight_words) || (!image_done && !image_here(slots)) ||
                            (tile == 0 && !scale) || waiting);
            if (issue) tile_end = take_step(cycle);
        } else if (now == SETUP) {
            if (++row == p.setup) state = RUN;
        } else if (now == DRAIN) {
            done = quiet == p.settle && lanes_idle(cycle);
            if (done) ends.push_back(cycle), state = REPORT;
        } else if (now == IDLE && next) {
            accept(cycle, next);
        }
        issued = issue;
        layer_done = reported.step(done);
        if (now == REPORT && layer_done) state = IDLE;
        in_flight(cycle, issue, tile_end);
    }

    void accept(int64_t cycle, const Instruction *next) {
        conv = next;
        starts.push_back(cycle + 1);
        state = SETUP;
        row = at = tile = cg = 0;
        steps = conv->kernel * conv->kernel * conv->words;
        bool features = conv->bits_en || conv->store == STORE_BYTES;
        drain = conv->pool_en ? (features ? p.drain_both : p.drain_pool) : (features ? p.drain_features : p.drain);
    }

    bool image_here(int64_t slots) const {
        if (!conv->mac) return true;
        int64_t stride = 1 + conv->stride2, origin = int64_t(tile) * p.rows;
        if (conv->row_aligned) {
            int across = (conv->out_w + p.rows - 1) / p.rows;
            origin = (int64_t(tile / across) * conv->in_w + int64_t(tile % across) * p.rows) * stride;
        }
        origin -= conv->pad_top * conv->in_w + conv->pad_left;
        return origin + (p.rows - 1) * stride + (conv->kernel - 1) * (conv->in_w + 1) < slots;
    }

    bool take_step(int64_t cycle) {
        if (at == 0) {
            wait = conv->interval > 1 ? conv->interval - 1 : 0;
            if (tile == 0) claimed = conv->weight_words;
        }
        if (++at < steps) return false;
        at = 0;
        int64_t first = cycle + (conv->mac ? p.mac_group_latency : p.binary_group_latency);
        groups.push_back(first);
        if (conv->store == STORE_BYTES) stores.push_back(first + p.vector_latency + 1);
        if (++tile == conv->tiles) {
            tile = 0;
            ++cg;
            released = conv->weight_words;
            if (conv->sums_en) tokens.push_back(first + p.row_groups - 1 + p.sum_token_latency);
            if (cg == conv->groups) state = DRAIN;
        }
        return true;
    }

    bool lanes_idle(int64_t cycle) const { return !(!groups.empty() && groups.front() <= cycle) && left == 0; }

    void in_flight(int64_t cycle, bool issue, bool tile_end) {
        sum_token = !tokens.empty() && tokens.front() == cycle;
        if (sum_token) tokens.pop_front();
        bytes_stall = !stores.empty() && stores.front() <= cycle;
        if (!stores.empty() && stores.front() + p.row_groups - 1 == cycle) stores.pop_front();
        int before = flight;
        if (!groups.empty() && groups.front() <= cycle) left = drain - 1;
        else if (left) --left;
        bool leaving = false;
        if (!groups.empty() && groups.front() + p.row_groups - 1 == cycle) groups.pop_front();
        for (int64_t first : groups) leaving = leaving || first + p.row_groups - 2 == cycle;
        flight += tile_end - leaving;
        if (issue || before) quiet = 0;
        else if (quiet != p.settle) ++quiet;
    }
};

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

struct Matvec {
    const Parameters &p;
    int groups_left = 0, steps = 0, halves = 0, ahead = 0, guard = 0, at = 0;
    bool issuing = false, waiting = false, valid = false, step_issued = false;
    Delay result, release;
    explicit Matvec(const Parameters &p) : p(p), result(1 + p.matvec_latency), release(1) {}
    int step(bool start, int groups, int length, bool wide, int level, bool finished) {
        bool begin = !issuing && groups_left != 0 && ahead != 2 && guard == 0 && level >= halves;
        bool last = issuing && at == steps - 1;
        int released = release.step(last ? halves : 0);
        bool arrived = result.step(last);
        step_issued = issuing;
        ahead += begin - finished;
        if (guard) --guard;
        if (issuing) {
            ++at;
            if (last) issuing = false, at = 0, guard = p.matvec_release;
        }
        bool move = waiting && (!valid || finished);
        if (finished) valid = false;
        if (move) valid = true, waiting = false;
        if (arrived) waiting = true;
        if (start) {
            groups_left = groups, steps = length;
            halves = steps << wide;
        } else if (begin) {
            issuing = true;
            --groups_left;
        }
        return released;
    }
};

struct Scalar {
    enum State { IDLE, START, RUN, LAST, DRAIN };
    const Parameters &p;
    Matvec source;
    State state = IDLE;
    const Instruction *word = nullptr;
    bool promised = false, frame_done = false, stepping = false;
    int issued = 0, produced = 0, written = 0, column = 0, written_column = 0, sums = 0, scales = 0, record_word = 0;
    int64_t last_logit = 0;
    Delay produce, affine;
    Fifo records, words;
    int taken = 0, released = 0;
    explicit Scalar(const Parameters &p)
        : p(p), source(p), produce(p.scalar_output), affine(p.affine_latency), records(1), words(p.result_words) {}
    bool ready() const { return state == IDLE; }
    int offered() const { return words.readable ? words.head() : -1; }

    void step(int64_t cycle, const Instruction *next, int record_level, int matvec_level, bool sum_token, bool scale_take,
              bool quiet, bool result_ready) {
        int op = word ? word->op : 0;
        bool mean = op == MEAN, fc = op == FC;
        bool with_records = !mean || word->records;
        bool to_scale = op == AFFINE || (fc && word->dest == SCALE), to_logits = fc && word->dest == LOGITS;
        int count = !word ? 0 : fc ? word->outputs : word->count;
        bool starting = state == START, running = state == RUN;
        bool room = words.level() <= p.result_words - p.scalar_output - 1;
        bool issue = running && issued != count && (!mean || sums != 0 || column != 0) &&
                     (!with_records || record_level != 0) && (!fc || source.valid) &&
                     (!to_logits || (room && records.level() == 0));
        bool group_end = issued == count - 1 || column == p.cols - 1;
        bool take_sum = issue && mean && column == 0;
        int rest = count - issued < p.cols - column ? count - issued : p.cols - column;
        bool promise = issue && fc && to_scale && !promised && record_level >= rest;
        bool valid = produce.step(issue);
        bool stored = affine.step(valid && to_scale);
        bool finished = (to_scale ? written : produced) == count;
        bool group_written = stored && (written_column == p.cols - 1 || written == count - 1);
        bool logit = valid && to_logits;

        int record = 0;
        frame_done = false;
        if (state == IDLE) {
            if (next) word = next, state = START;
        } else if (starting) {
            state = op == END ? LAST : RUN;
        } else if (running && finished) {
            if (!fc) {
                state = IDLE;
            } else if (records.writable()) {
                record = 1 + p.scalar_counters;
                state = IDLE;
            }
        } else if (state == LAST && quiet && records.writable()) {
            record = 1 + p.end_counters;
            state = DRAIN;
        } else if (state == DRAIN && records.level() == 0 && words.level() == 0) {
            frame_done = true;
            state = IDLE;
        }
        if (logit) last_logit = cycle;

        bool send = records.readable && words.writable() && !logit;
        bool record_done = send && record_word == records.head() - 1;
        if (send) record_word = record_done ? 0 : record_word + 1;
        bool out = records.readable || logit;
        words.step(out, logit || record_done, result_ready);
        records.step(record != 0, record, record_done);

        bool start = starting && fc;
        int groups = start ? (count + p.cols - 1) / p.cols : 0;
        // The instruction taken in this cycle starts in the next: `start` belongs to the one before.
        const Instruction *current = word;
        released = source.step(start, groups, start ? current->steps : 0, start && current->wide, matvec_level,
                               issue && fc && group_end);
        stepping = source.step_issued;
        taken = 0;
        if (issue && with_records) {
            int padding = (p.records_per_beat - count % p.records_per_beat) % p.records_per_beat;
            taken = 1 + (issued == count - 1 ? padding : 0);
        }
        if (issue) ++issued, column = (column + 1) % p.cols;
        if (valid) ++produced;
        if (stored) ++written, written_column = (written_column + 1) % p.cols;
        if (starting) issued = column = produced = written = written_column = 0;
        sums += sum_token - take_sum;
        if (issue) promised = (promised || promise) && rest != 1;
        scales += (op == AFFINE ? group_written : promise) - scale_take;
    }
};

}  // namespace

// Simulates a frame; found: last logit, total, then start and end of each CONV. False: nothing moves any more.
extern "C" int hwflow_cycles(const int32_t *parameters, const int32_t *schedule, int32_t length, int64_t *found) {
    const Parameters &p = *reinterpret_cast<const Parameters *>(parameters);
    const Instruction *program = reinterpret_cast<const Instruction *>(schedule);
    Memory memory(p);
    Loader loader(p, program, length, memory);
    WeightRing weights(p);
    MacRing macs(p);
    ConstantRing constants(p);
    Scalar scalar(p);
    Results results(p);
    Sequencer sequencer(p);
    int open = 0, layers_done = 0, idle_for = 0;
    for (int64_t cycle = 0;; ++cycle) {
        int arrival = loader.arrival;
        bool quiet = loader.idle() && open == 0 && results.fifo.level() == 0;
        bool conv_read = sequencer.ready() && results.ready();
        const Instruction *conv = conv_read && loader.conv.readable ? program + loader.conv.head() : nullptr;
        bool scalar_read = scalar.ready();
        const Instruction *next = scalar_read && loader.scalar.readable ? program + loader.scalar.head() : nullptr;
        int free[RINGS] = {weights.free, macs.free, constants.free, 0, 0};
        bool mac = sequencer.mac();
        int level = mac ? macs.level / 2 : weights.level;
        sequencer.step(cycle, conv, level, scalar.scales != 0, loader.image_done(), loader.writer.slots);
        bool word_taken = results.step(sequencer.layer_done, scalar.offered());
        scalar.step(cycle, next, constants.level, macs.level, sequencer.sum_token, sequencer.claimed != 0, quiet, word_taken);
        loader.step(cycle, cycle == 0, free, conv_read, scalar_read, layers_done, sequencer.bytes_stall);
        layers_done += sequencer.layer_done;
        int claimed = sequencer.claimed, released = sequencer.released;
        weights.step(arrival == WEIGHTS, mac ? 0 : claimed, mac ? 0 : released);
        macs.step(arrival == MACS, mac ? claimed : 0, mac ? released : 0, scalar.released);
        constants.step(arrival == CONSTANTS, scalar.taken);
        open += (conv != nullptr) - sequencer.layer_done;
        if (scalar.frame_done) {
            *found++ = scalar.last_logit;
            *found++ = cycle;
            for (std::size_t at = 0; at < sequencer.ends.size(); ++at) {
                *found++ = sequencer.starts[at];
                *found++ = sequencer.ends[at];
            }
            return 1;
        }
        bool moved = claimed || scalar.taken || arrival >= 0 || sequencer.sum_token || sequencer.issued || scalar.stepping;
        idle_for = moved ? 0 : idle_for + 1;
        if (idle_for > p.patience) return 0;
    }
}
