// ECP5 LUT4: bit {D, C, B, A} of INIT. Source: Lattice FPGA libraries reference guide, LUT4.
module LUT4 #(
    parameter [15:0] INIT = 16'h0000
) (
    input  A,
    input  B,
    input  C,
    input  D,
    output Z
);
    assign Z = INIT[{D, C, B, A}];
endmodule
