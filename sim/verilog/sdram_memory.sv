// The SDRAM controller (module `sdram`, generated) with its chip.
module sdram_memory #(
  parameter int BYTES = 8,        // bytes of a beat
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
  input  logic rst,
  input  logic [39:0] request,
  input  logic request_valid,
  output logic request_ready,
  output logic [8*BYTES:0] beat,      // {error, data}
  output logic beat_valid,
  input  logic [8*BYTES+31:0] write,  // {data, address}
  input  logic write_valid,
  output logic write_ready,
  output logic written,
  output logic violated
);
  logic cke, cs_n, ras_n, cas_n, we_n, dq_oe;
  logic [1:0] ba, dqm;
  logic [ROW_BITS-1:0] a;
  logic [15:0] dq_o, dq_i;

  sdram controller (
    .clk(clk), .rst(rst),
    .port__read__request__payload(request), .port__read__request__valid(request_valid),
    .port__read__request__ready(request_ready),
    .port__read__data__payload(beat), .port__read__data__valid(beat_valid), .port__read__data__ready(1'b1),
    .port__write__payload(write), .port__write__valid(write_valid), .port__write__ready(write_ready),
    .port__written(written),
    .pins__cke(cke), .pins__cs_n(cs_n), .pins__ras_n(ras_n), .pins__cas_n(cas_n), .pins__we_n(we_n),
    .pins__ba(ba), .pins__a(a), .pins__dqm(dqm), .pins__dq_o(dq_o), .pins__dq_oe(dq_oe), .pins__dq_i(dq_i)
  );

  sdram_board #(
    .REGISTERS_OUT(REGISTERS_OUT), .REGISTERS_IN(REGISTERS_IN), .ROW_BITS(ROW_BITS), .COLUMN_BITS(COLUMN_BITS),
    .PERIOD(PERIOD), .RC(RC), .RAS(RAS), .RAS_MAX(RAS_MAX), .RCD(RCD), .RP(RP), .RRD(RRD), .WR(WR), .RFC(RFC),
    .MRD(MRD), .CK2(CK2), .CK3(CK3), .INTERVAL(INTERVAL), .POWER_UP(POWER_UP)
  ) board (.*);
endmodule
