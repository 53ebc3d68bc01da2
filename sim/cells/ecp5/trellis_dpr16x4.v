// ECP5 distributed memory of 16 words of 4 bits as Yosys and nextpnr name it: written at the clock edge, read at once.
// INITVAL: word i in bits 4*i+3..4*i; undefined bits start as a pattern, since one X spreads through gates that hide it.
// Source: Lattice FPGA libraries reference guide, DPR16X4C.
module TRELLIS_DPR16X4 #(
    parameter WCKMUX = "WCK",
    parameter WREMUX = "WRE",
    parameter [63:0] INITVAL = 64'h0
) (
    input  [3:0] DI,
    input  [3:0] WAD,
    input  WRE,
    input  WCK,
    input  [3:0] RAD,
    output [3:0] DO
);
    // A module that does not exist refuses what is not modelled, and names it.
    generate
        if (WCKMUX != "WCK") TRELLIS_DPR16X4_WCKMUX_is_not_modelled refused ();
        if (WREMUX != "WRE") TRELLIS_DPR16X4_WREMUX_is_not_modelled refused ();
    endgenerate

    reg [3:0] words [0:15];

    localparam [63:0] PATTERN = 64'h9e3779b97f4a7c15;
    integer at;
    initial
        for (at = 0; at < 64; at = at + 1)
            words[at / 4][at % 4] = INITVAL[at] === 1'bx ? PATTERN[at] : INITVAL[at];

    always @(posedge WCK)
        if (WRE)
            words[WAD] <= DI;

    assign DO = words[RAD];
endmodule
