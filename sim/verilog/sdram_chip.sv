// A 16-bit SDR SDRAM of four banks that checks what it is told, word by word and command by command.
//
// Times are picoseconds; a cycle lasts PERIOD. The first violation is printed as `harness: SDRAM ...` with the timing's
// name and raises `violated`, after which nothing is checked any more. Data are as long as the controller may take
// them: in all other cycles `dq_o` is no word of the memory.
// Checked: state (closed or other row, initialisation order, bursts cut short, bus driven by both or by nobody),
// tRCD tRP tRAS tRC tRRD tWR tRFC tMRD, longest tRAS, refresh, start-up pause, clock period for the CAS latency.
// Refreshes may be at most LATE times INTERVAL behind their mean rate: stricter than the data sheets.
module sdram_chip #(
  parameter int ROW_BITS = 13,
  parameter int COLUMN_BITS = 9,
  parameter int PERIOD = 10000,
  parameter int RC = 66000,
  parameter int RAS = 44000,
  parameter int RAS_MAX = 100000000,
  parameter int RCD = 21000,
  parameter int RP = 21000,
  parameter int RRD = 15000,
  parameter int WR = 15000,
  parameter int RFC = 66000,
  parameter int MRD = 15000,
  parameter int CK2 = 10000,
  parameter int CK3 = 7500,
  parameter int INTERVAL = 7812500,
  parameter int POWER_UP = 200000000,
  parameter int INITIAL_REFRESHES = 8
) (
  input  logic clk,
  input  logic cke, cs_n, ras_n, cas_n, we_n,
  input  logic [1:0] ba,
  input  logic [ROW_BITS-1:0] a,
  input  logic [1:0] dqm,
  input  logic [15:0] dq_i,
  input  logic dq_driven,       // by the controller
  output logic [15:0] dq_o,
  output logic violated
);
  localparam int LATE = 8;
  localparam longint NEVER = -64'd1000000000;   // cycle of what has not happened
  localparam int WORDS = 4 << (ROW_BITS + COLUMN_BITS);
  localparam int PIPE = 4;                      // more than a CAS latency

  logic [15:0] memory [0:WORDS-1];              // {row, bank, column}

  longint now = 0;
  longint activated [0:3], precharged [0:3], write_ended [0:3], read_ended [0:3];
  longint any_activated = NEVER, refreshed = NEVER, mode_set = NEVER;
  logic [ROW_BITS-1:0] row [0:3];
  bit [3:0] open = 0;
  int refreshes = 0;
  longint started = 0;          // when the mode was set and refreshing began to count
  longint due;
  bit closed_once = 0, mode_known = 0;
  int cas = 0, burst = 0;

  // The burst under way.
  bit writing = 0, reading = 0;
  int left = 0;
  logic [1:0] burst_bank;
  logic [COLUMN_BITS-1:0] column;
  bit [PIPE:0] driving = 0;     // [n]: a word is on the bus n cycles from now
  logic [15:0] word [0:PIPE];

  function automatic void violation(input string what);
    if (!violated) $display("harness: SDRAM %s violated at cycle %0d", what, now);
    violated = 1;
  endfunction

  function automatic void at_least(input longint since, input int picoseconds, input string what);
    if ((now - since) * PERIOD < longint'(picoseconds)) violation(what);
  endfunction

  // All that every command but NOP must keep from what concerns the whole chip.
  function automatic void settled(input string what);
    at_least(mode_set, MRD, {what, ": tMRD"});
    if (now - mode_set < 2) violation({what, ": tMRD of two cycles"});
    at_least(refreshed, RFC, {what, ": tRFC"});
  endfunction

  function automatic void close(input int bank);
    at_least(activated[bank], RAS, "tRAS");
    at_least(write_ended[bank], WR, "tWR");
    if (now <= read_ended[bank] || now <= write_ended[bank]) violation("PRECHARGE within a burst: complete burst");
    open[bank] = 0;
    precharged[bank] = now;
  endfunction

  function automatic logic [$clog2(WORDS)-1:0] place();
    return {row[burst_bank], burst_bank, column};
  endfunction

  initial begin
    violated = 0;
    for (int bank = 0; bank < 4; bank++) begin
      activated[bank] = NEVER;
      precharged[bank] = NEVER;
      write_ended[bank] = NEVER;
      read_ended[bank] = NEVER;
    end
  end

  always @(posedge clk) begin
    now = now + 1;
    // Words that are read move towards the bus.
    for (int n = 0; n < PIPE; n++) begin
      driving[n] = driving[n + 1];
      word[n] = word[n + 1];
    end
    driving[PIPE] = 0;

    if (!cke) begin   // also what registers of the board show before the first clock
      if (mode_known) violation("CKE: power-down, which is not modelled,");
    end else if (!cs_n && {ras_n, cas_n, we_n} != 3'b111) begin
      if (now * PERIOD < longint'(POWER_UP)) violation("start-up pause");
      settled("command");
      case ({ras_n, cas_n, we_n})
        3'b011: begin // ACTIVATE
          if (!mode_known) violation("initialisation: ACTIVATE before the mode is set: order");
          if (open[ba]) violation("ACTIVATE of an open bank: bank state");
          at_least(precharged[ba], RP, "tRP");
          at_least(activated[ba], RC, "tRC");
          at_least(any_activated, RRD, "tRRD");
          open[ba] = 1;
          row[ba] = a;
          activated[ba] = now;
          any_activated = now;
        end
        3'b101, 3'b100: begin // READ, WRITE
          if (!mode_known) violation("initialisation: access before the mode is set: order");
          if (!open[ba]) violation("READ or WRITE in a closed bank: bank state");
          if (a[10]) violation("auto-precharge, which is not modelled,");
          if (left != 0) violation("READ or WRITE within a burst: complete burst");
          at_least(activated[ba], RCD, "tRCD");
          if ((32'(a[COLUMN_BITS-1:0]) & (burst - 1)) != 0) violation("burst across its boundary: alignment");
          writing = !we_n;
          reading = we_n;
          left = burst;
          burst_bank = ba;
          column = a[COLUMN_BITS-1:0];
          if (reading) read_ended[ba] = now + longint'(burst) - 1;
        end
        3'b010: begin // PRECHARGE
          if (a[10]) begin
            for (int bank = 0; bank < 4; bank++) begin
              if (open[bank]) close(bank);
              else precharged[bank] = now;
            end
            closed_once = 1;
          end else if (open[ba]) close(32'(ba));
          else precharged[ba] = now;
        end
        3'b001: begin // REFRESH
          if (!closed_once) violation("initialisation: REFRESH before PRECHARGE of all banks: order");
          if (open != 0) violation("REFRESH with an open bank: bank state");
          for (int bank = 0; bank < 4; bank++) begin
            at_least(precharged[bank], RP, "tRP before REFRESH");
            at_least(activated[bank], RC, "tRC before REFRESH");
          end
          refreshed = now;
          refreshes = refreshes + 1;
        end
        3'b000: begin // MODE REGISTER SET
          if (refreshes < INITIAL_REFRESHES) violation("initialisation: refreshes before the mode is set: number");
          if (open != 0) violation("MODE REGISTER SET with an open bank: bank state");
          if (a[ROW_BITS-1:7] != 0 || a[3]) violation("mode: sequential bursts of reads and writes only:");
          mode_set = now;
          mode_known = 1;
          started = now;
          refreshes = 0;
          cas = 32'(a[6:4]);
          burst = 1 << a[2:0];
          if (cas != 2 && cas != 3) violation("mode: CAS latency 2 or 3");
          if (burst > 8) violation("mode: burst length 1 to 8");
          if (PERIOD < (cas == 2 ? CK2 : CK3)) violation("tCK");
        end
        default: violation("BURST TERMINATE, which is not modelled,");
      endcase
    end

    // The word of this cycle.
    if (left != 0) begin
      if (reading) begin
        driving[cas] = 1;
        word[cas] = memory[place()];
      end else begin
        if (!dq_driven) violation("WRITE without data: data bus");
        if (!dqm[0]) memory[place()][7:0] = dq_i[7:0];
        if (!dqm[1]) memory[place()][15:8] = dq_i[15:8];
        write_ended[burst_bank] = now;
      end
      column = column + 1;
      left = left - 1;
    end else if (dq_driven) violation("data without a WRITE: data bus");

    // driving[0] is the word that the controller takes at this edge.
    if ((driving[0] || driving[1]) && dq_driven) violation("two drivers, or none between them: data bus");
    if (dqm != 0) driving[2] = 0;   // as fast as a mask acts on what is read
    dq_o <= driving[1] ? word[1] : 16'(now) ^ 16'hdead;

    for (int bank = 0; bank < 4; bank++)
      if (open[bank] && (now - activated[bank]) * PERIOD > longint'(RAS_MAX)) violation("longest tRAS");
    due = (now - started) * PERIOD / longint'(INTERVAL);
    if (mode_known && due > longint'(refreshes) + LATE) violation("refresh interval");
  end
endmodule
