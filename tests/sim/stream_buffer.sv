module stream_buffer (
  input logic clk, input logic rst,
  input logic [19:0] i__payload, input logic i__valid, output logic i__ready,
  output logic [19:0] o__payload, output logic o__valid, input logic o__ready,
  output logic [19:0] tap
);
  logic [19:0] entries [0:1];
  logic [1:0] level;
  assign i__ready = level != 2;
  assign o__valid = level != 0;
  assign o__payload = entries[0];
  assign tap = (o__valid && o__ready) ? o__payload : 20'd0;
  always_ff @(posedge clk) begin
    if (rst) level <= 0;
    else level <= level + 2'(i__valid && i__ready) - 2'(o__valid && o__ready);
    if (o__valid && o__ready) entries[0] <= entries[1];
    if (i__valid && i__ready) entries[1'(level - 2'(o__valid && o__ready))] <= i__payload;
  end
endmodule
