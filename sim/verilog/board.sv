// A board's core with its clock and the other end of its serial lines: Python exchanges whole chunks of bytes.
//
// To send: `send_data` (first byte lowest) and `send_count`, then toggle `send` while `sending` is 0.
// Received bytes are in a ring: `received` counts them all, byte i lies at ring position i modulo RING.
// With SDRAM defined, the parameters of sdram_board.sv, the core's memory is that chip; `violated`: it was used wrongly.
module board_harness #(
  parameter int DIVISOR = 4,   // clock cycles of a bit
  parameter int CHUNK = 256,   // bytes
  parameter int RING = 64
) (
  input  logic [8*CHUNK-1:0] send_data,
  input  logic [15:0]        send_count,
  input  logic               send,
  input  logic               board_reset,
  output logic [15:0]        sending,
  output logic [8*RING-1:0]  ring,
  output logic [31:0]        received,
  output logic               busy,
  output logic               violated,
  output logic [63:0]        cycle
);
  logic clk = 0;
  always #1 clk = ~clk;

  logic rst = 1;
  logic rx = 1;
  logic tx;

`ifdef SDRAM
  logic cke, cs_n, ras_n, cas_n, we_n, dq_oe;
  logic [1:0] ba, dqm;
  logic [12:0] a;
  logic [15:0] dq_o, dq_i;
  sdram_board #(`SDRAM) memory (.*);
`else
  assign violated = 0;
`endif

  board_core dut (
`ifdef SDRAM
    .pins__cke(cke), .pins__cs_n(cs_n), .pins__ras_n(ras_n), .pins__cas_n(cas_n), .pins__we_n(we_n), .pins__ba(ba),
    .pins__a(a), .pins__dqm(dqm), .pins__dq_o(dq_o), .pins__dq_oe(dq_oe), .pins__dq_i(dq_i),
`endif
    .clk(clk), .rst(rst), .rx(rx), .tx(tx), .led_open(), .led_busy(busy), .led_failed(), .marker()
  );

  initial begin
    cycle = 0;
    sending = 0;
    received = 0;
  end

  always @(posedge clk) begin
    cycle <= cycle + 1;
    rst <= cycle < 4 || board_reset;
  end

  // To the board.
  logic [8*CHUNK-1:0] chunk;
  logic [9:0] frame = 10'h3ff;
  logic sent = 0;
  int send_bits = 0, send_clocks = 0;

  always @(posedge clk) begin
    if (send != sent) begin
      sent <= send;
      chunk <= send_data;
      sending <= send_count;
    end
    if (send_clocks != 0) send_clocks <= send_clocks - 1;
    else if (send_bits > 1) begin
      send_bits <= send_bits - 1;
      rx <= frame[0];
      frame <= {1'b1, frame[9:1]};
      send_clocks <= DIVISOR - 1;
    end else if (sending != 0 && send == sent) begin
      // The stop bit of the byte before is over: its cycles were counted as any other's.
      rx <= 0;
      frame <= {2'b11, chunk[7:0]};
      chunk <= chunk >> 8;
      sending <= sending - 1;
      send_bits <= 10;
      send_clocks <= DIVISOR - 1;
    end else send_bits <= 0;
  end

  // From the board.
  logic [7:0] byte_in;
  int receive_bits = 0, receive_clocks = 0;

  always @(posedge clk) begin
    if (receive_bits == 0) begin
      if (!tx) begin
        receive_bits <= 9;
        receive_clocks <= DIVISOR + DIVISOR / 2 - 1;
      end
    end else if (receive_clocks != 0) receive_clocks <= receive_clocks - 1;
    else begin
      receive_clocks <= DIVISOR - 1;
      receive_bits <= receive_bits - 1;
      if (receive_bits > 1) byte_in <= {tx, byte_in[7:1]};
      else if (tx) begin
        ring[8 * (received % RING) +: 8] <= byte_in;
        received <= received + 1;
      end
    end
  end
endmodule
