// ECP5 DP16KD: block RAM of 18 Kbit with two ports, kept as 1024 words of 18 bits.
//
// A port of 18 bits takes word AD[13:4] and writes the halves of 9 bits that AD[1:0] enable; of 36 bits words AD[13:5]
// times 2 and the next, in quarters that AD[3:0] enable; of 9, 4, 2, 1 bits the part of word AD[13:4] that AD[3:0] tells;
// narrower than 9 bits the last bit of each half is not used. Port A writes 36 bits from DIB, DIA, port B reads 36 bits
// to DOB, DOA; nothing else is 36 bits wide. A port shows what its WRITEMODE says when it writes: NORMAL keeps its
// output, WRITETHROUGH gives the new word, READBEFOREWRITE the old one.
// The part does not define what a port reads of a word that the other one writes at the same edge: here the inverse of
// the old bits, so that who uses them is seen. Two writes of one word at one edge end the simulation.
// INITVAL_xx: 16 words, each in 18 of 20 bits; undefined bits start as a pattern, since one X spreads through gates.
// Not modelled: inverted clocks, asynchronous reset (RST stays 0 with RESETMODE "ASYNC"), output registers (REGMODE
// other than NOREG), chip select decoding other than 0b000, the global reset.
// Sources: Lattice FPGA-TN-02204, sysMEM, and the FPGA libraries reference guide, DP16KD.
module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter GSR = "DISABLED",
    parameter [319:0] INITVAL_00 = 320'h0,
    parameter [319:0] INITVAL_01 = 320'h0,
    parameter [319:0] INITVAL_02 = 320'h0,
    parameter [319:0] INITVAL_03 = 320'h0,
    parameter [319:0] INITVAL_04 = 320'h0,
    parameter [319:0] INITVAL_05 = 320'h0,
    parameter [319:0] INITVAL_06 = 320'h0,
    parameter [319:0] INITVAL_07 = 320'h0,
    parameter [319:0] INITVAL_08 = 320'h0,
    parameter [319:0] INITVAL_09 = 320'h0,
    parameter [319:0] INITVAL_0A = 320'h0,
    parameter [319:0] INITVAL_0B = 320'h0,
    parameter [319:0] INITVAL_0C = 320'h0,
    parameter [319:0] INITVAL_0D = 320'h0,
    parameter [319:0] INITVAL_0E = 320'h0,
    parameter [319:0] INITVAL_0F = 320'h0,
    parameter [319:0] INITVAL_10 = 320'h0,
    parameter [319:0] INITVAL_11 = 320'h0,
    parameter [319:0] INITVAL_12 = 320'h0,
    parameter [319:0] INITVAL_13 = 320'h0,
    parameter [319:0] INITVAL_14 = 320'h0,
    parameter [319:0] INITVAL_15 = 320'h0,
    parameter [319:0] INITVAL_16 = 320'h0,
    parameter [319:0] INITVAL_17 = 320'h0,
    parameter [319:0] INITVAL_18 = 320'h0,
    parameter [319:0] INITVAL_19 = 320'h0,
    parameter [319:0] INITVAL_1A = 320'h0,
    parameter [319:0] INITVAL_1B = 320'h0,
    parameter [319:0] INITVAL_1C = 320'h0,
    parameter [319:0] INITVAL_1D = 320'h0,
    parameter [319:0] INITVAL_1E = 320'h0,
    parameter [319:0] INITVAL_1F = 320'h0,
    parameter [319:0] INITVAL_20 = 320'h0,
    parameter [319:0] INITVAL_21 = 320'h0,
    parameter [319:0] INITVAL_22 = 320'h0,
    parameter [319:0] INITVAL_23 = 320'h0,
    parameter [319:0] INITVAL_24 = 320'h0,
    parameter [319:0] INITVAL_25 = 320'h0,
    parameter [319:0] INITVAL_26 = 320'h0,
    parameter [319:0] INITVAL_27 = 320'h0,
    parameter [319:0] INITVAL_28 = 320'h0,
    parameter [319:0] INITVAL_29 = 320'h0,
    parameter [319:0] INITVAL_2A = 320'h0,
    parameter [319:0] INITVAL_2B = 320'h0,
    parameter [319:0] INITVAL_2C = 320'h0,
    parameter [319:0] INITVAL_2D = 320'h0,
    parameter [319:0] INITVAL_2E = 320'h0,
    parameter [319:0] INITVAL_2F = 320'h0,
    parameter [319:0] INITVAL_30 = 320'h0,
    parameter [319:0] INITVAL_31 = 320'h0,
    parameter [319:0] INITVAL_32 = 320'h0,
    parameter [319:0] INITVAL_33 = 320'h0,
    parameter [319:0] INITVAL_34 = 320'h0,
    parameter [319:0] INITVAL_35 = 320'h0,
    parameter [319:0] INITVAL_36 = 320'h0,
    parameter [319:0] INITVAL_37 = 320'h0,
    parameter [319:0] INITVAL_38 = 320'h0,
    parameter [319:0] INITVAL_39 = 320'h0,
    parameter [319:0] INITVAL_3A = 320'h0,
    parameter [319:0] INITVAL_3B = 320'h0,
    parameter [319:0] INITVAL_3C = 320'h0,
    parameter [319:0] INITVAL_3D = 320'h0,
    parameter [319:0] INITVAL_3E = 320'h0,
    parameter [319:0] INITVAL_3F = 320'h0
) (
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16,
        DIA17,
    input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16,
        DOA17,
    input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16,
        DIB17,
    input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16,
        DOB17
);
    function known(input integer width);
        known = width == 1 || width == 2 || width == 4 || width == 9 || width == 18 || width == 36;
    endfunction

    // A module that does not exist refuses what is not modelled, and names it.
    generate
        if (!known(DATA_WIDTH_A) || !known(DATA_WIDTH_B)) DP16KD_DATA_WIDTH_is_not_modelled refused ();
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG") DP16KD_REGMODE_is_not_modelled refused ();
        if (RESETMODE != "SYNC" && RESETMODE != "ASYNC") DP16KD_RESETMODE_is_not_modelled refused ();
        if (ASYNC_RESET_RELEASE != RESETMODE) DP16KD_ASYNC_RESET_RELEASE_is_not_modelled refused ();
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") DP16KD_CSDECODE_is_not_modelled refused ();
        if (WRITEMODE_A != "NORMAL" && WRITEMODE_A != "WRITETHROUGH" && WRITEMODE_A != "READBEFOREWRITE")
            DP16KD_WRITEMODE_A_is_not_modelled refused ();
        if (WRITEMODE_B != "NORMAL" && WRITEMODE_B != "WRITETHROUGH" && WRITEMODE_B != "READBEFOREWRITE")
            DP16KD_WRITEMODE_B_is_not_modelled refused ();
        if (CLKAMUX != "CLKA") DP16KD_CLKAMUX_is_not_modelled refused ();
        if (CLKBMUX != "CLKB") DP16KD_CLKBMUX_is_not_modelled refused ();
        if (GSR != "DISABLED" && GSR != "AUTO") DP16KD_GSR_is_not_modelled refused ();
    endgenerate

    localparam WIDE_WRITE = DATA_WIDTH_A == 36;
    localparam WIDE_READ = DATA_WIDTH_B == 36;
    localparam integer READ_A = WIDE_WRITE ? 18 : DATA_WIDTH_A;  // what port A can show

    reg [17:0] words [0:1023];
    localparam [64*320-1:0] INIT = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38, INITVAL_37,
        INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E,
        INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25,
        INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
        INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13,
        INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A,
        INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
        INITVAL_00
    };
    localparam [17:0] PATTERN = 18'h2d3a9;
    integer at, bit_at;
    initial
        for (at = 0; at < 1024; at = at + 1)
            for (bit_at = 0; bit_at < 18; bit_at = bit_at + 1)
                words[at][bit_at] = INIT[20*at + bit_at] === 1'bx ? PATTERN[bit_at] : INIT[20*at + bit_at];

    wire [13:0] address_a = {
        ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
    };
    wire [13:0] address_b = {
        ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
    };
    wire [35:0] data_a = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
        DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
        DIA3, DIA2, DIA1, DIA0
    };
    wire [17:0] data_b = data_a[35:18];
    wire writing_a = CEA && WEA && !CSA0 && !CSA1 && !CSA2;
    wire writing_b = CEB && WEB && !CSB0 && !CSB1 && !CSB2;
    wire active_a = CEA && !CSA0 && !CSA1 && !CSA2;
    wire active_b = CEB && !CSB0 && !CSB1 && !CSB2;

    // First bit, in a word of 18, of what a port of `width` bits takes.
    function [4:0] first(input integer width, input [13:0] address);
        case (width)
            9: first = address[3] ? 5'd9 : 5'd0;
            4: first = (address[3] ? 5'd9 : 5'd0) + {2'd0, address[2], 2'd0};
            2: first = (address[3] ? 5'd9 : 5'd0) + {2'd0, address[2:1], 1'd0};
            1: first = (address[3] ? 5'd9 : 5'd0) + {2'd0, address[2:0]};
            default: first = 5'd0;
        endcase
    endfunction

    // The bits, of two words, that an access takes, from the word's number rounded down to an even one on.
    function [35:0] touched(input integer width, input [13:0] address, input enables);
        reg [35:0] halves;
        begin
            halves = 36'd0;
            case (width)
                36: halves = enables ? {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}} : ~36'd0;
                18: halves = enables ? {18'd0, {9{address[1]}}, {9{address[0]}}} : {18'd0, 18'h3ffff};
                default: halves = ((36'd1 << width) - 36'd1) << first(width, address);
            endcase
            touched = width != 36 && address[4] ? halves << 18 : halves;
        end
    endfunction

    // Data of a port moved to where `touched` has its bits.
    function [35:0] placed(input integer width, input [13:0] address, input [35:0] value);
        placed = width == 36 ? value : value << (first(width, address) + (address[4] ? 6'd18 : 6'd0));
    endfunction

    // The other way round: a port's data from two words.
    function [35:0] taken(input integer width, input [13:0] address, input [35:0] pair);
        taken = width == 36
            ? pair
            : pair >> (first(width, address) + (address[4] ? 6'd18 : 6'd0)) & ((36'd1 << width) - 36'd1);
    endfunction

    wire [35:0] pair_a = {words[{address_a[13:5], 1'b1}], words[{address_a[13:5], 1'b0}]};
    wire [35:0] pair_b = {words[{address_b[13:5], 1'b1}], words[{address_b[13:5], 1'b0}]};
    wire same = address_a[13:5] == address_b[13:5];
    wire [35:0] mask_a = writing_a ? touched(DATA_WIDTH_A, address_a, 1'b1) : 36'd0;
    wire [35:0] mask_b = writing_b ? touched(DATA_WIDTH_B, address_b, 1'b1) : 36'd0;
    wire [35:0] next_a = pair_a & ~mask_a | placed(DATA_WIDTH_A, address_a, data_a) & mask_a;
    wire [35:0] next_b = pair_b & ~mask_b | placed(DATA_WIDTH_B, address_b, {18'd0, data_b}) & mask_b;
    // What the other port writes at this edge is read inverted.
    wire [35:0] read_a = (WRITEMODE_A == "WRITETHROUGH" ? next_a : pair_a) ^ (same ? mask_b : 36'd0);
    wire [35:0] read_b = (WRITEMODE_B == "WRITETHROUGH" ? next_b : pair_b) ^ (same ? mask_a : 36'd0);

    always @(posedge CLKA)
        if (writing_a) begin
            if (|mask_a[17:0]) words[{address_a[13:5], 1'b0}] <= next_a[17:0];
            if (|mask_a[35:18]) words[{address_a[13:5], 1'b1}] <= next_a[35:18];
            if (same && |(mask_a & mask_b)) $fatal(1, "DP16KD: both ports write one word at the same edge");
        end
    always @(posedge CLKB)
        if (writing_b) begin
            if (WIDE_READ) $fatal(1, "DP16KD: a port B of 36 bits can only read");
            if (|mask_b[17:0]) words[{address_b[13:5], 1'b0}] <= next_b[17:0];
            if (|mask_b[35:18]) words[{address_b[13:5], 1'b1}] <= next_b[35:18];
        end

    reg [17:0] out_a = 18'd0;
    reg [35:0] out_b = 36'd0;
    wire show_a = active_a && (!WEA || WRITEMODE_A != "NORMAL");
    wire show_b = active_b && (!WEB || WRITEMODE_B != "NORMAL");
    wire [35:0] shown_a = taken(READ_A, address_a, read_a);
    wire [35:0] shown_b = taken(DATA_WIDTH_B, address_b, read_b);
    always @(posedge CLKA)
        if (RSTA) out_a <= 18'd0;
        else if (show_a) out_a <= shown_a[17:0];
    always @(posedge CLKB)
        if (RSTB) out_b <= 36'd0;
        else if (show_b) out_b <= shown_b;
    always @(posedge RSTA or posedge RSTB)
        if (RESETMODE == "ASYNC") $fatal(1, "DP16KD: an asynchronous reset is not modelled");

    assign {
        DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
        DOA1, DOA0
    } = WIDE_READ ? out_b[17:0] : out_a;
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0
    } = WIDE_READ ? out_b[35:18] : out_b[17:0];
endmodule
