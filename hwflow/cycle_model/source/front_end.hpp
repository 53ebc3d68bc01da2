// The sequencer (front_end.py).
#pragma once

#include "parts.hpp"

namespace cycles {

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

}  // namespace cycles
