// One read port and one write port, both synchronous. A read of the address being written returns no defined word:
// no block RAM promises one at full speed. So that nobody relies on one, simulation returns the complement of the old.
// Contents start undefined. write_enable has one bit per GRANULE bits of the word.
module hwflow_ram #(
    parameter integer WIDTH = 16,
    parameter integer DEPTH = 16,
    parameter integer ADDRESS = 4,
    parameter integer GRANULE = 16,
    parameter STYLE = "auto"
) (
    input  wire                     clk,
    input  wire                     read_enable,
    input  wire [ADDRESS-1:0]       read_address,
    output reg  [WIDTH-1:0]         read_data,
    input  wire [WIDTH/GRANULE-1:0] write_enable,
    input  wire [ADDRESS-1:0]       write_address,
    input  wire [WIDTH-1:0]         write_data
);
    (* no_rw_check, ram_style = STYLE *)
    reg [WIDTH-1:0] words [0:DEPTH-1];

    always @(posedge clk)
        if (read_enable)
`ifdef SYNTHESIS
            read_data <= words[read_address];
`else
            read_data <= words[read_address] ^ {WIDTH{|write_enable && write_address == read_address}};
`endif

    generate
        if (GRANULE == WIDTH) begin : whole
            always @(posedge clk)
                if (write_enable[0])
                    words[write_address] <= write_data;
        end else begin : parts
            genvar part;
            for (part = 0; part < WIDTH / GRANULE; part = part + 1) begin : lane
                always @(posedge clk)
                    if (write_enable[part])
                        words[write_address][part*GRANULE +: GRANULE] <= write_data[part*GRANULE +: GRANULE];
            end
        end
    endgenerate
endmodule
