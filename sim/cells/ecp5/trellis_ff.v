// ECP5 flip-flop as Yosys and nextpnr name it. It starts at REGSET, to which configuration sets it.
// CEMUX "1": always enabled. LSR resets to REGSET at the clock edge, enabled or not (SRMODE "LSR_OVER_CE").
// Not modelled: inverted clocks and resets, asynchronous reset and preload, the global reset (GSR "ENABLED").
// Source: Lattice FPGA-TN-02206, registers of a slice.
module TRELLIS_FF #(
    parameter GSR = "DISABLED",
    parameter CEMUX = "1",
    parameter CLKMUX = "CLK",
    parameter LSRMUX = "LSR",
    parameter LSRMODE = "LSR",
    parameter SRMODE = "LSR_OVER_CE",
    parameter REGSET = "RESET"
) (
    input  CLK,
    input  LSR,
    input  CE,
    input  DI,
    input  M,
    output reg Q
);
    // A module that does not exist refuses what is not modelled, and names it.
    generate
        if (GSR != "DISABLED" && GSR != "AUTO") TRELLIS_FF_GSR_is_not_modelled refused ();
        if (CEMUX != "1" && CEMUX != "CE" && CEMUX != "INV") TRELLIS_FF_CEMUX_is_not_modelled refused ();
        if (CLKMUX != "CLK") TRELLIS_FF_CLKMUX_is_not_modelled refused ();
        if (LSRMUX != "LSR") TRELLIS_FF_LSRMUX_is_not_modelled refused ();
        if (LSRMODE != "LSR") TRELLIS_FF_LSRMODE_is_not_modelled refused ();
        if (SRMODE != "LSR_OVER_CE") TRELLIS_FF_SRMODE_is_not_modelled refused ();
        if (REGSET != "SET" && REGSET != "RESET") TRELLIS_FF_REGSET_is_not_modelled refused ();
    endgenerate

    localparam [0:0] VALUE = REGSET == "SET";

    wire enable = CEMUX == "1" || (CEMUX == "INV" ? ~CE : CE);

    initial Q = VALUE;

    always @(posedge CLK)
        if (LSR) Q <= VALUE;
        else if (enable) Q <= DI;
endmodule
