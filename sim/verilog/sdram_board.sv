// An SDRAM's chip behind the registers that a board has between it and its controller.
module sdram_board #(
  parameter int REGISTERS_OUT = 0,
  parameter int REGISTERS_IN = 0,
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
  parameter int POWER_UP = 200000000
) (
  input  logic clk,
  input  logic cke, cs_n, ras_n, cas_n, we_n,
  input  logic [1:0] ba,
  input  logic [ROW_BITS-1:0] a,
  input  logic [1:0] dqm,
  input  logic [15:0] dq_o,     // as the controller names them: out to the chip
  input  logic dq_oe,
  output logic [15:0] dq_i,
  output logic violated
);
  localparam int PINS = 5 + 2 + ROW_BITS + 2 + 16 + 1;
  logic [15:0] chip_dq;

  // Element 0 is the controller's side of the way out and the chip's side of the way back.
  logic [PINS-1:0] out [0:REGISTERS_OUT];
  logic [15:0] back [0:REGISTERS_IN];
  assign out[0] = {cke, cs_n, ras_n, cas_n, we_n, ba, a, dqm, dq_o, dq_oe};
  assign back[0] = chip_dq;
  assign dq_i = back[REGISTERS_IN];
  for (genvar n = 0; n < REGISTERS_OUT; n++) begin : way_out
    always_ff @(posedge clk) out[n + 1] <= out[n];
  end
  for (genvar n = 0; n < REGISTERS_IN; n++) begin : way_back
    always_ff @(posedge clk) back[n + 1] <= back[n];
  end

  logic c_cke, c_cs_n, c_ras_n, c_cas_n, c_we_n, c_dq_oe;
  logic [1:0] c_ba, c_dqm;
  logic [ROW_BITS-1:0] c_a;
  logic [15:0] c_dq;
  assign {c_cke, c_cs_n, c_ras_n, c_cas_n, c_we_n, c_ba, c_a, c_dqm, c_dq, c_dq_oe} = out[REGISTERS_OUT];

  sdram_chip #(
    .ROW_BITS(ROW_BITS), .COLUMN_BITS(COLUMN_BITS), .PERIOD(PERIOD), .RC(RC), .RAS(RAS), .RAS_MAX(RAS_MAX),
    .RCD(RCD), .RP(RP), .RRD(RRD), .WR(WR), .RFC(RFC), .MRD(MRD), .CK2(CK2), .CK3(CK3), .INTERVAL(INTERVAL),
    .POWER_UP(POWER_UP)
  ) chip (
    .clk(clk), .cke(c_cke), .cs_n(c_cs_n), .ras_n(c_ras_n), .cas_n(c_cas_n), .we_n(c_we_n), .ba(c_ba), .a(c_a),
    .dqm(c_dqm), .dq_i(c_dq), .dq_driven(c_dq_oe), .dq_o(chip_dq), .violated(violated)
  );
endmodule
