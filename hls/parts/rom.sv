// rom - words that stay, read synchronously or at once; a single word is plain constants.
//
//   data_o is, Latency cycles after en_i, word addr_i of File; it holds while en_i is low. Words 1: always word 0.
//
// Latency: 1, or 0 for LUTs read without a register. Style: 0 the tool chooses, 1 LUTs, 2 block RAM. Vivado reads rom_style; Yosys reads ram_style first, and calls LUTs logic.
// Load 1: the words are a memory with a second port, on which the chain of load_word writes others; File is what is there
// after configuration, and no reset brings it back. A single word is then a register. Nothing may be read meanwhile.

module rom #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 16,
  parameter int unsigned Style = 0,
  parameter int unsigned Latency = 1,
  parameter int unsigned Load = 0,
  parameter File = "",  // hexadecimal, one word a line, in address order
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Bits-1:0]     data_o,
  input  logic [9:0]          load_i,  // see load_word
  output logic [9:0]          load_o
);
  if (Load != 0 && Latency == 0) begin : check_latency
    $error("rom: words that are loaded are read with Latency 1");
  end

  logic                put;
  logic [AddrBits-1:0] put_addr;
  logic [Bits-1:0]     put_data;
  if (Load != 0) begin : gen_load
    load_word #(
      .Bits(Bits), .Words(Words)
    ) loader (
      .clk_i(clk_i), .rst_ni(rst_ni), .load_i(load_i), .load_o(load_o),
      .put_o(put), .put_addr_o(put_addr), .put_data_o(put_data)
    );
  end else begin : gen_fixed
    assign load_o   = '0;
    assign put      = 1'b0;
    assign put_addr = '0;
    assign put_data = '0;
    logic unused;
    assign unused = &{rst_ni, load_i, put, put_addr, put_data};
  end

  if (Words == 1 && Load != 0) begin : gen_register
    logic [Bits-1:0] mem [1];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (put) mem[0] <= put_data;
    assign data_o = mem[0];
    logic unused;
    assign unused = &{en_i, addr_i, put_addr};
  end else if (Words == 1) begin : gen_constant
    logic [Bits-1:0] mem [1];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    assign data_o = mem[0];
    logic unused;
    assign unused = &{clk_i, en_i, addr_i};
  end else if (Load != 0 && Style == 1) begin : gen_lut_ram
    (* ram_style = "distributed", no_rw_check *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) begin
      if (put) mem[put_addr] <= put_data;
      if (en_i) data_o <= mem[addr_i];
    end
  end else if (Load != 0 && Style == 2) begin : gen_block_ram
    (* ram_style = "block", no_rw_check *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) begin
      if (put) mem[put_addr] <= put_data;
      if (en_i) data_o <= mem[addr_i];
    end
  end else if (Load != 0) begin : gen_ram
    (* no_rw_check *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) begin
      if (put) mem[put_addr] <= put_data;
      if (en_i) data_o <= mem[addr_i];
    end
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
  end else if (Style != 2 && Words > 32) begin : gen_deep
    rom_deep #(
      .Bits(Bits), .Words(Words), .Style(Style), .File(File)
    ) deep (
      .clk_i(clk_i), .en_i(en_i), .addr_i(addr_i), .data_o(data_o)
    );
  end else begin : gen_words
    rom_words #(
      .Bits(Bits), .Words(Words), .Style(Style), .File(File)
    ) words (
      .clk_i(clk_i), .en_i(en_i), .addr_i(addr_i), .data_o(data_o)
    );
  end
endmodule
