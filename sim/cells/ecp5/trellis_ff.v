// ECP5 flip-flop as Yosys and nextpnr name it. It starts at REGSET, to which configuration sets it.
// CEMUX "1": always enabled. SRMODE "LSR_OVER_CE": LSR resets at the clock edge, enabled or not; "ASYNC": at once.
// Not modelled: the global reset (GSR "ENABLED") and asynchronous preload (LSRMODE "PRLD").
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
        if (CLKMUX != "CLK" && CLKMUX != "INV") TRELLIS_FF_CLKMUX_is_not_modelled refused ();
        if (LSRMUX != "LSR" && LSRMUX != "INV") TRELLIS_FF_LSRMUX_is_not_modelled refused ();
        if (LSRMODE != "LSR") TRELLIS_FF_LSRMODE_is_not_modelled refused ();
        if (SRMODE != "LSR_OVER_CE" && SRMODE != "ASYNC") TRELLIS_FF_SRMODE_is_not_modelled refused ();
        if (REGSET != "SET" && REGSET != "RESET") TRELLIS_FF_REGSET_is_not_modelled refused ();
    endgenerate

    localparam [0:0] VALUE = REGSET == "SET";

    wire clock = CLKMUX == "INV" ? ~CLK : CLK;
    wire reset = LSRMUX == "INV" ? ~LSR : LSR;
    wire enable = CEMUX == "1" || (CEMUX == "INV" ? ~CE : CE);

    initial Q = VALUE;

    generate
        if (SRMODE == "ASYNC") begin : asynchronous
            always @(posedge clock or posedge reset)
                if (reset) Q <= VALUE;
                else if (enable) Q <= DI;
        end else begin : synchronous
            always @(posedge clock)
                if (reset) Q <= VALUE;
                else if (enable) Q <= DI;
        end
    endgenerate
endmodule
