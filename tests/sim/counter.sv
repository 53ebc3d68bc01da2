module counter #(parameter int STEP = 1) (
  input logic clk, input logic rst, input logic [99:0] addend, output logic [99:0] total
);
  logic [99:0] hidden;
  always_ff @(posedge clk) hidden <= rst ? 100'd0 : hidden + addend * 100'(STEP);
  assign total = hidden;
endmodule
