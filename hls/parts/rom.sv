// rom - constant words, read synchronously or at once; a single word is plain constants.
//
//   data_o is, Latency cycles after en_i, word addr_i of File; it holds while en_i is low. Words 1: always word 0.
//
// Latency: 1, or 0 for LUTs read without a register. Style: 0 the tool chooses, 1 LUTs, 2 block RAM. Vivado reads rom_style; Yosys reads ram_style first, and calls LUTs logic.

module rom #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 16,
  parameter int unsigned Style = 0,
  parameter int unsigned Latency = 1,
  parameter File = "",  // hexadecimal, one word a line, in address order
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                clk_i,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Bits-1:0]     data_o
);
  if (Words == 1) begin : gen_constant
    logic [Bits-1:0] mem [1];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    assign data_o = mem[0];
    logic unused;
    assign unused = &{clk_i, en_i, addr_i};
  end else if (Latency == 0) begin : gen_table
    (* rom_style = "distributed", ram_style = "logic" *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    // constants chosen by the address: a tool must not take the address's own register for the memory's
    logic [Bits-1:0] words [Words];
    for (genvar i = 0; i < Words; i++) begin : gen_word
      assign words[i] = mem[i];
    end
    assign data_o = words[addr_i];
    logic unused;
    assign unused = &{clk_i, en_i};
  end else if (Style == 1) begin : gen_lut
    (* rom_style = "distributed", ram_style = "logic" *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else if (Style == 2) begin : gen_block
    (* rom_style = "block", ram_style = "block" *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else begin : gen_any
    logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end
endmodule
