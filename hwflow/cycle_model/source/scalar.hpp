// Matrix-vector products and the scalar engine (scalar.py).
#pragma once

#include "parts.hpp"

namespace cycles {

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

}  // namespace cycles
